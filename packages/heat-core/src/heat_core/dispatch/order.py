"""Sorting on one rank: the fastest stable kernels for each type; pure.

NumPy's vectorised sorts are several times faster than torch's on a CPU, but its stable argsort is
not vectorised. A key and a position that fit 64 bits together are therefore sorted as one integer,
which is stable by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch

__all__ = [
    "Array",
    "Packing",
    "argsort",
    "from_native",
    "integers",
    "is_nan",
    "merge_runs",
    "native",
    "order_keys",
    "sort_values",
]

Array: TypeAlias = np.ndarray[Any, Any]


def native(tensor: torch.Tensor) -> Array:
    """The tensor in NumPy; bfloat16, which NumPy lacks, as float32. Shares memory if it can."""
    tensor = tensor.detach().cpu()
    array: Array = (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
    return array


def from_native(array: Array, like: torch.Tensor) -> torch.Tensor:
    """Back to a tensor of the type and device of ``like``."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(like.device, like.dtype)


def integers(array: Array, device: torch.device) -> torch.Tensor:
    """Positions or counts as a tensor of int64 on a device."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64)).to(device)


def is_nan(values: Array) -> Array:
    """Where elements are NaN; nowhere for types without NaN."""
    return np.isnan(values) if values.dtype.kind in "fc" else np.zeros(values.shape, dtype=bool)


def _integer_keys(values: Array) -> Array:
    """Signed integers of the same width and order, NaN last and -0 equal to 0."""
    if values.dtype.kind == "b":
        return values.view(np.int8)
    signed = np.dtype(f"i{values.dtype.itemsize}")
    limits = np.iinfo(signed)
    if values.dtype.kind == "i":
        return values
    if values.dtype.kind == "u":
        keys: Array = values.view(signed) ^ signed.type(limits.min)
        return keys
    values = values + values.dtype.type(0)  # -0 becomes 0
    bits = values.view(signed)
    # Of negative numbers, the larger magnitude is the smaller number.
    keys = np.where(bits < 0, bits ^ signed.type(limits.max), bits)
    keys[np.isnan(values)] = limits.max
    return keys


def order_keys(values: Array, *, descending: bool = False) -> list[Array]:
    """Signed integers whose lexicographic order is that of the values; the first is primary.

    Parameters
    ----------
    values : array of any shape
        Complex numbers become three keys: whether they have NaN, real and imaginary part.
    descending : bool
        Keys of the reverse order.
    """
    values = np.ascontiguousarray(values)
    if values.dtype.kind == "c":
        # NumPy's order: NaN in one part comes after all numbers, NaN in both at the very end.
        parts = [_integer_keys(values.real.copy()), _integer_keys(values.imag.copy())]
        nan_parts = np.isnan(values.real) * np.int8(2) + np.isnan(values.imag)
        keys = [nan_parts.astype(np.int8), *parts]
    else:
        keys = [_integer_keys(values)]
    return [~key for key in keys] if descending else keys


def sort_values(values: Array, axis: int = -1) -> Array:
    """The values in ascending order, NaN last."""
    # Narrow integers are counted, which only the stable kind does.
    kind = "stable" if values.dtype.itemsize <= 2 and values.dtype.kind != "f" else "quicksort"
    return np.sort(values, axis=axis, kind=kind)  # type: ignore[call-overload, no-any-return]


def merge_runs(values: Array) -> Array:
    """A sequence of a few ascending runs in ascending order, NaN last."""
    # NumPy's stable kind finds the runs and merges them, several times as fast as sorting.
    return np.sort(values, kind="stable")


@dataclass(frozen=True, slots=True)
class Packing:
    """Keys and positions as one number of 64 bits, whose order is the stable order of the keys.

    Parameters
    ----------
    lowest : int
        The smallest key.
    position_bits : int
    """

    lowest: int
    position_bits: int

    @classmethod
    def of(cls, lowest: int, highest: int, n: int) -> Packing | None:
        """The packing of ``n`` keys; None if 64 bits are too few."""
        position_bits = (n - 1).bit_length()
        fits = (highest - lowest).bit_length() + position_bits <= 64
        return cls(lowest, position_bits) if fits else None

    def pack(self, keys: Array, start: int) -> Array:
        """The numbers of keys along the last axis, the first of which has position ``start``."""
        # The difference is exact modulo 2**64, whatever the sign.
        packed = keys.astype(np.int64).view(np.uint64) - np.uint64(self.lowest % (1 << 64))
        packed <<= np.uint64(self.position_bits)
        packed |= np.arange(start, start + keys.shape[-1], dtype=np.uint64)
        return packed

    def positions(self, packed: Array) -> Array:
        """The positions; overwrites ``packed``."""
        packed &= np.uint64((1 << self.position_bits) - 1)
        return packed.view(np.int64)


def argsort(keys: list[Array]) -> Array:
    """Stable order along the last axis of integer keys, the first of which is primary; int64."""
    order = _argsort_one(keys[-1])
    for key in reversed(keys[:-1]):
        if key.size and key.min() == key.max():
            continue
        step = _argsort_one(np.take_along_axis(key, order, axis=-1))
        order = np.take_along_axis(order, step, axis=-1)
    return order


def _argsort_one(key: Array) -> Array:
    n = key.shape[-1]
    if key.itemsize <= 2 or n < 2 or key.size == 0:
        return np.argsort(key, axis=-1, kind="stable").astype(np.int64, copy=False)
    packing = Packing.of(int(key.min()), int(key.max()), n)
    if packing is not None:
        packed = packing.pack(key, 0)
        packed.sort(axis=-1)
        return packing.positions(packed)
    # torch's stable sort of 64-bit integers is twice as fast as NumPy's.
    order = torch.from_numpy(np.ascontiguousarray(key)).sort(dim=-1, stable=True).indices
    result: Array = order.numpy()
    return result
