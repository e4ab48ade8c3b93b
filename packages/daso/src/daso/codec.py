"""How vectors of differences are written on the wire.

A codec works on matrices, one row a receiver, and never on values of parameters: a difference to
the last consensus is small, so that 16 or 8 bits carry what a step has changed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

__all__ = ["CODECS", "CastCodec", "Codec", "Fp16", "Int8", "bucket_slices", "register_codec"]


class Codec(ABC):
    """Writes rows of numbers as rows of bytes. Deterministic, and without state."""

    name: ClassVar[str]

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Bytes for numbers.

        Parameters
        ----------
        x : (rows, m) tensor of float32 or float64

        Returns
        -------
        (rows, nbytes(m)) tensor of uint8
        """

    @abstractmethod
    def decode(self, wire: Tensor, m: int, dtype: torch.dtype) -> Tensor:
        """The (rows, m) numbers, of the given dtype, behind ``(rows, nbytes(m))`` bytes."""

    @abstractmethod
    def nbytes(self, m: int) -> int:
        """Bytes for a row of m numbers."""

    def is_exact(self, dtype: torch.dtype) -> bool:  # noqa: ARG002 - others need it
        """Whether numbers of this dtype are written without rounding."""
        return False


class CastCodec(Codec):
    """Numbers of another floating type.

    Parameters
    ----------
    dtype : torch.dtype
    """

    dtype: ClassVar[torch.dtype]

    def encode(self, x: Tensor) -> Tensor:  # noqa: D102
        return x.to(self.dtype).contiguous().view(torch.uint8)

    def decode(self, wire: Tensor, m: int, dtype: torch.dtype) -> Tensor:  # noqa: D102
        return _cut(wire, 0, wire.shape[1]).view(self.dtype)[:, :m].to(dtype)

    def nbytes(self, m: int) -> int:  # noqa: D102
        return m * self.dtype.itemsize

    def is_exact(self, dtype: torch.dtype) -> bool:  # noqa: D102
        return dtype.itemsize <= self.dtype.itemsize


class _Fp64(CastCodec):
    name, dtype = "fp64", torch.float64

    def is_exact(self, dtype: torch.dtype) -> bool:
        return dtype in (torch.float32, torch.float64)


class _Fp32(CastCodec):
    name, dtype = "fp32", torch.float32

    def is_exact(self, dtype: torch.dtype) -> bool:
        return dtype == torch.float32


class _Bf16(CastCodec):
    name, dtype = "bf16", torch.bfloat16

    def is_exact(self, dtype: torch.dtype) -> bool:  # noqa: ARG002
        return False


class Fp16(Codec):
    """float16 with one scale a row, so that small differences don't become subnormal."""

    name = "fp16"
    _LARGEST = 32768.0

    def encode(self, x: Tensor) -> Tensor:  # noqa: D102
        scale = x.abs().amax(1, keepdim=True).float() / self._LARGEST
        numbers = x / torch.where(scale > 0, scale, torch.ones_like(scale))
        parts = (scale.view(torch.uint8), numbers.to(torch.float16).view(torch.uint8))
        return torch.cat(parts, 1)

    def decode(self, wire: Tensor, m: int, dtype: torch.dtype) -> Tensor:  # noqa: D102
        scale = _cut(wire, 0, 4).view(torch.float32)
        numbers = _cut(wire, 4, 4 + 2 * m).view(torch.float16)
        return numbers.to(dtype) * scale.to(dtype)

    def nbytes(self, m: int) -> int:  # noqa: D102
        return 4 + 2 * m


class Int8(Codec):
    """8-bit integers with one scale for each 256 numbers."""

    name = "int8"
    CHUNK = 256

    def encode(self, x: Tensor) -> Tensor:  # noqa: D102
        rows, m = x.shape
        chunks = torch.nn.functional.pad(x, (0, -m % self.CHUNK)).view(rows, -1, self.CHUNK)
        scale = chunks.abs().amax(2).float() / 127
        divisor = torch.where(scale > 0, scale, torch.ones_like(scale))[..., None]
        numbers = (chunks / divisor).round_().to(torch.int8).view(rows, -1)[:, :m]
        return torch.cat((scale.view(torch.uint8), numbers.contiguous().view(torch.uint8)), 1)

    def decode(self, wire: Tensor, m: int, dtype: torch.dtype) -> Tensor:  # noqa: D102
        n = self._n_chunks(m)
        scale = _cut(wire, 0, 4 * n).view(torch.float32).to(dtype)
        numbers = _cut(wire, 4 * n, 4 * n + m).view(torch.int8).to(dtype)
        return numbers.mul_(scale.repeat_interleave(self.CHUNK, 1)[:, :m])

    def nbytes(self, m: int) -> int:  # noqa: D102
        return 4 * self._n_chunks(m) + m

    def _n_chunks(self, m: int) -> int:
        return -(-m // self.CHUNK)


def _cut(wire: Tensor, start: int, stop: int) -> Tensor:
    """Columns of bytes, as memory of their own, which can be read as other types."""
    return wire[:, start:stop].clone(memory_format=torch.contiguous_format)


#: The codecs by name; `register_codec` adds to them.
CODECS: dict[str, Callable[[], Codec]] = {
    kind.name: kind for kind in (_Fp32, _Fp64, _Bf16, Fp16, Int8)
}


def register_codec(kind: type[Codec]) -> type[Codec]:
    """Make a codec known under its name; usable as a decorator."""
    if not kind.name or kind.name in CODECS:
        raise ValueError(f"a codec needs a name of its own, not {kind.name!r}")
    CODECS[kind.name] = kind
    return kind


def bucket_slices(m: int, size: int) -> list[slice]:
    """Cut m elements into slices of at most `size`."""
    return [slice(start, min(start + size, m)) for start in range(0, m, max(1, size))]
