"""Arrays as MPI sees them: contiguous memory that the library can reach, and a datatype.

Two kinds of array go through: torch tensors and NumPy arrays. Everything else that speaks DLPack or
the buffer protocol is viewed as one of them, without a copy. Both libraries are imported by whoever
makes the arrays, not by this module.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Sequence
from typing import Any

from mpi_utils.datatypes import datatype
from mpi_utils.runtime import is_gpu_aware, load_mpi

_CPU = 1  # DLPack's kDLCPU

#: How many equal blocks an array consists of, or the rows of axis 0 that make up each block.
Blocks = int | Sequence[int]
Copies = Sequence[tuple[Any, Any]]


class _Kinds(dict[type, str]):
    """Which library the arrays of a class belong to, ``"other"`` for none; found on first use."""

    def __missing__(self, cls: type) -> str:
        # there are no arrays of a library before it is imported
        for library, name in (("torch", "Tensor"), ("numpy", "ndarray")):
            if library in sys.modules and issubclass(cls, getattr(sys.modules[library], name)):
                self[cls] = library
                return library
        return "other"


_KIND = _Kinds()


def as_array(x: Any) -> Any:
    """View `x` as a torch tensor or NumPy array.

    Raises
    ------
    TypeError
        If `x` is neither, and offers neither DLPack nor the buffer protocol.
    """
    kind = _KIND[x.__class__]
    if kind == "numpy":
        return x
    if kind == "torch":
        return x.detach() if x.requires_grad else x
    has_dlpack = hasattr(x, "__dlpack__")
    if has_dlpack and x.__dlpack_device__()[0] != _CPU:
        from torch.utils.dlpack import from_dlpack

        return from_dlpack(x)
    import numpy as np

    try:
        return np.from_dlpack(x) if has_dlpack else np.asarray(memoryview(x))
    except TypeError:
        raise TypeError(
            "Expected a torch tensor, a NumPy array, or an object with DLPack or a buffer, got "
            f"{type(x).__name__}. Python objects travel through comm.handle, mpi4py's communicator."
        ) from None


def _is_reachable(tensor: Any) -> bool:
    return bool(tensor.is_cpu or (tensor.is_cuda and is_gpu_aware()))


def _is_ready(x: Any) -> bool:
    """Whether MPI can use the memory of `x` as it is."""
    if _KIND[x.__class__] == "numpy":
        ready: bool = x.flags.c_contiguous and x.dtype.isnative
        return ready
    return x.is_contiguous() and not x.is_conj() and not x.is_neg() and _is_reachable(x)


def empty(shape: Sequence[int], like: Any, *, wide: bool = False, reachable: bool = False) -> Any:
    """A new array of the kind, dtype and device of `like`.

    Parameters
    ----------
    shape : sequence of int
    like : array
    wide : bool
        Make it float32.
    reachable : bool
        Make it where MPI can reach it: a device tensor's counterpart is in pinned host memory.
    """
    if _KIND[like.__class__] == "numpy":
        native = like.dtype if like.dtype.isnative else like.dtype.newbyteorder("=")
        return sys.modules["numpy"].empty(shape, "float32" if wide else native)
    options: dict[str, Any] = {"dtype": sys.modules["torch"].float32} if wide else {}
    if reachable and not _is_reachable(like):
        options |= {"device": "cpu", "pin_memory": like.is_cuda}
    return like.new_empty(shape, **options)


def pack(x: Any, blocks: Blocks = 1, *, wide: bool = False) -> tuple[Any, list[Any]]:
    """What MPI reads `x` from: `x` itself whenever possible, else one packed copy; and its buffer.

    Parameters
    ----------
    x : array
    blocks : int or sequence of int
    wide : bool
        MPI is to get float32.
    """
    if not wide and _is_ready(x):
        return x, _buffer(x, blocks)
    packed = empty(x.shape, x, wide=wide, reachable=True)
    packed[...] = x
    return packed, _buffer(packed, blocks)


def landing(
    out: Any, shape: Sequence[int] = (), like: Any = None, blocks: Blocks = 1, *, wide: bool = False
) -> tuple[Any, Any, list[Any], Copies]:
    """Where a result goes.

    Parameters
    ----------
    out : array or None
        The caller's array; None makes a new one.
    shape : sequence of int
        Shape of the result.
    like : array or None
        Gives kind, dtype and device of a new result; None: `out` is filled, whatever it is.
    blocks : int or sequence of int
    wide : bool
        MPI delivers float32, to be narrowed to the dtype of the result.

    Returns
    -------
    out : array
        The caller's, or the new one.
    landed : array
        The memory that MPI writes: that of `out` whenever possible.
    buffer : list
        Of `landed`.
    copies : sequence of (target, source)
        What is left to do after MPI has written.

    Raises
    ------
    ValueError
        If `out` has another shape or dtype than the result, or is read-only.
    """
    if out is None:
        out = target = empty(shape, like)
    else:
        target = as_array(out)
        if like is not None and (target.shape != shape or target.dtype != like.dtype):
            raise ValueError(
                f"out must have shape {tuple(shape)} and dtype {like.dtype}, "
                f"got {tuple(target.shape)} and {target.dtype}"
            )
        if _KIND[target.__class__] == "numpy" and not target.flags.writeable:
            raise ValueError("out is read-only")
    if not wide and _is_ready(target):
        return out, target, _buffer(target, blocks), ()
    landed = empty(target.shape, target, wide=wide, reachable=True)
    return out, landed, _buffer(landed, blocks), ((target, landed),)


def _buffer(x: Any, blocks: Blocks) -> list[Any]:
    """What mpi4py takes: memory, count of one block (or of each), datatype."""
    if _KIND[x.__class__] == "numpy":
        memory, size = x, x.size
    else:
        if x.is_cuda:  # MPI knows nothing of streams
            sys.modules["torch"].cuda.current_stream(x.device).synchronize()
        memory, size = load_mpi().memory.fromaddress(x.data_ptr(), x.nbytes), x.numel()
    if isinstance(blocks, int):
        return [memory, size // blocks, datatype(x.dtype)]
    row = math.prod(x.shape[1:])
    return [memory, [n * row for n in blocks], datatype(x.dtype)]


def cut(buffer: list[Any], start: int, stop: int) -> list[Any]:
    """The buffer of elements `start` to `stop` of a buffer."""
    memory, _, kind = buffer
    if _KIND[memory.__class__] == "numpy":
        return [memory.reshape(-1)[start:stop], stop - start, kind]
    width = kind.Get_size()
    return [memory[start * width : stop * width], stop - start, kind]


def parts(buffer: list[Any], size: int) -> list[list[Any]]:
    """The buffers of the single blocks in a buffer of `size` blocks."""
    count = buffer[1]
    counts = [count] * size if isinstance(count, int) else count
    ends = itertools.accumulate(counts)
    return [cut(buffer, end - n, end) for n, end in zip(counts, ends, strict=True)]
