"""Arrays as MPI sees them: contiguous memory that the library can reach, and a datatype.

Two kinds of array go through: torch tensors and NumPy arrays. Everything else that speaks DLPack or
the buffer protocol is viewed as one of them, without a copy.
"""

from __future__ import annotations

import functools
import itertools
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from mpi_utils.runtime import is_gpu_aware, load_mpi

_CPU = 1  # DLPack's kDLCPU

#: dtype name -> name of the MPI datatype that carries it. A 16-bit float travels as a bit pattern.
_DATATYPES = {
    "bool": "C_BOOL",
    "int8": "INT8_T",
    "int16": "INT16_T",
    "int32": "INT32_T",
    "int64": "INT64_T",
    "uint8": "UINT8_T",
    "uint16": "UINT16_T",
    "uint32": "UINT32_T",
    "uint64": "UINT64_T",
    "float16": "UINT16_T",
    "bfloat16": "UINT16_T",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "complex64": "C_FLOAT_COMPLEX",
    "complex128": "C_DOUBLE_COMPLEX",
}
_SIXTEEN_BIT = {"float16", "bfloat16"}
_OPS = ("sum", "prod", "min", "max", "land", "lor", "band", "bor")


def as_array(x: Any) -> Any:
    """View `x` as a torch tensor or NumPy array.

    Raises
    ------
    TypeError
        If `x` is neither, and offers neither DLPack nor the buffer protocol.
    """
    kind = _kind(x.__class__)
    if kind == "numpy":
        return x
    if kind == "torch":
        return x.detach() if x.requires_grad else x
    if hasattr(x, "__dlpack__"):
        if x.__dlpack_device__()[0] == _CPU:
            return np.from_dlpack(x)
        from torch.utils.dlpack import from_dlpack

        return from_dlpack(x)
    try:
        return np.asarray(memoryview(x))
    except TypeError:
        raise TypeError(
            "Expected a torch tensor, a NumPy array, or an object with DLPack or a buffer, got "
            f"{type(x).__name__}. Python objects travel through comm.handle, mpi4py's communicator."
        ) from None


@functools.cache
def _kind(cls: Any) -> str:
    torch = sys.modules.get("torch")  # a tensor can't be there before torch is
    if torch is not None and issubclass(cls, torch.Tensor):
        return "torch"
    return "numpy" if issubclass(cls, np.ndarray) else "other"


@functools.cache
def dtype_name(dtype: Any) -> str:
    """Name of a torch or NumPy dtype, such as ``"float32"``; TypeError if MPI can't carry it."""
    name = dtype.name if isinstance(dtype, np.dtype) else str(dtype).removeprefix("torch.")
    if name not in _DATATYPES:
        raise TypeError(f"dtype {dtype} can't be sent; convert to one of {', '.join(_DATATYPES)}")
    return name


@functools.cache
def datatype(dtype: Any) -> Any:
    """The MPI datatype that carries elements of a torch or NumPy dtype."""
    return getattr(load_mpi(), _DATATYPES[dtype_name(dtype)])


def reduction(dtype: Any, op: Any) -> tuple[Any, bool]:
    """The MPI operation for `op` on a dtype, and whether it needs the data widened to float32.

    Raises
    ------
    ValueError
        If `op` is not the name of an operation.
    TypeError
        If the operation has no meaning for the dtype.
    """
    if isinstance(op, str):
        return _named_reduction(dtype, op)
    if not isinstance(op, load_mpi().Op):
        raise TypeError(f"op must be one of {_OPS} or an MPI.Op, got {op!r}")
    return op, dtype_name(dtype) in _SIXTEEN_BIT


@functools.cache
def _named_reduction(dtype: Any, op: str) -> tuple[Any, bool]:
    MPI, name = load_mpi(), dtype_name(dtype)
    wide = name in _SIXTEEN_BIT
    if op not in _OPS:
        raise ValueError(f"Unknown reduction {op!r}; choose from {_OPS} or pass an MPI.Op")
    if name == "bool":
        return (MPI.LOR if op in {"sum", "max", "lor", "bor"} else MPI.LAND), False
    is_float, is_complex = "float" in name, "complex" in name
    if (
        op in {"land", "lor"}
        or (op in {"band", "bor"} and (is_float or is_complex))
        or (op in {"max", "min"} and is_complex)
    ):
        raise TypeError(f"The reduction {op!r} is not defined for {name}")
    if is_float and op in {"max", "min"}:
        return _nan_aware(op, np.dtype("float32" if wide else name)), wide
    return getattr(MPI, op.upper()), wide


@functools.cache
def _nan_aware(op: str, dtype: np.dtype[Any]) -> Any:
    """MPI's own maximum and minimum may drop a NaN; NumPy's propagate it."""
    ufunc = np.maximum if op == "max" else np.minimum

    def combine(incoming: Any, result: Any, _: Any) -> None:
        target = np.frombuffer(result, dtype)
        ufunc(np.frombuffer(incoming, dtype), target, out=target)

    return load_mpi().Op.Create(combine, commute=True)


def identity(like: Any, op: Any) -> Any:
    """An array of the neutral element of `op`: what an exclusive scan gives on rank 0."""
    name = dtype_name(like.dtype).replace("bfloat16", "float32")
    value: Any = op == "prod"
    if name == "bool":
        value = op in {"prod", "min", "land", "band"}
    elif op in {"max", "min"}:
        limits = (-np.inf, np.inf) if "float" in name else (np.iinfo(name).min, np.iinfo(name).max)
        value = limits[op == "min"]
    elif op == "band":
        value = np.invert(np.zeros((), name))
    numbers = np.full(like.shape, value, name)
    return numbers if isinstance(like, np.ndarray) else sys.modules["torch"].from_numpy(numbers)


def _is_reachable(x: Any) -> bool:
    return isinstance(x, np.ndarray) or x.is_cpu or (x.is_cuda and is_gpu_aware())


def _is_ready(x: Any) -> bool:
    """Whether MPI can use the memory of `x` as it is."""
    if isinstance(x, np.ndarray):
        return x.flags.c_contiguous and x.dtype.isnative
    plain = x.is_contiguous() and not x.is_conj() and not x.is_neg()
    return plain and (x.is_cpu or _is_reachable(x))


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
    if isinstance(like, np.ndarray):
        native = like.dtype if like.dtype.isnative else like.dtype.newbyteorder("=")
        return np.empty(shape, np.float32 if wide else native)
    options: dict[str, Any] = {}
    if wide:
        options["dtype"] = sys.modules["torch"].float32
    if reachable and not _is_reachable(like):
        options |= {"device": "cpu", "pin_memory": like.is_cuda}
    return like.new_empty(shape, **options)


def copy_into(target: Any, source: Any) -> None:
    """Copy element by element, converting dtype and device."""
    if isinstance(target, np.ndarray):
        target[...] = source
    else:
        target.copy_(source)


def pack(x: Any, *, wide: bool = False) -> Any:
    """`x` itself if MPI can use its memory as it is, else one packed copy that MPI can use."""
    if not wide and _is_ready(x):
        if not isinstance(x, np.ndarray) and x.is_cuda:
            cuda = sys.modules["torch"].cuda
            cuda.current_stream(x.device).synchronize()  # MPI knows nothing of streams
        return x
    packed = empty(x.shape, x, wide=wide, reachable=True)
    copy_into(packed, x)
    return packed


def landing(out: Any, shape: Sequence[int], like: Any, *, wide: bool = False) -> tuple[Any, Any]:
    """Where a result goes, and the memory that MPI writes: the same array whenever possible.

    Parameters
    ----------
    out : array or None
        The caller's array; None makes a new one.
    shape : sequence of int
        Shape of the result.
    like : array
        Gives kind, dtype and device of a new result.
    wide : bool
        MPI delivers float32, to be narrowed to the dtype of the result.

    Raises
    ------
    ValueError
        If `out` has another shape or dtype than the result, or is read-only.
    """
    if out is None:
        target = empty(shape, like)
    else:
        target = as_array(out)
        if target.shape != shape or target.dtype != like.dtype:
            raise ValueError(
                f"out must have shape {tuple(shape)} and dtype {like.dtype}, "
                f"got {tuple(target.shape)} and {target.dtype}"
            )
        if isinstance(target, np.ndarray) and not target.flags.writeable:
            raise ValueError("out is read-only")
    if _is_ready(target) and not wide:
        return target, target
    return target, empty(shape, target, wide=wide, reachable=True)


def spec(x: Any, counts: Sequence[int] | None = None, *, blocks: int = 1) -> list[Any]:
    """What mpi4py takes as a buffer: memory, count (or counts and displacements), datatype.

    Parameters
    ----------
    x : array, packed
    counts : sequence of int, optional
        Rows of axis 0 for each rank, for the vector collectives.
    blocks : int
        Without `counts`: the number of equal blocks; MPI counts the elements of one.
    """
    if isinstance(x, np.ndarray):
        memory, size = x, x.size
    else:
        size = x.numel()
        memory = load_mpi().memory.fromaddress(x.data_ptr(), size * x.itemsize)
    if counts is None:
        return [memory, size // blocks, datatype(x.dtype)]
    row = math.prod(x.shape[1:])
    starts = itertools.accumulate(counts[:-1], initial=0)
    return [
        memory,
        ([n * row for n in counts], [start * row for start in starts]),
        datatype(x.dtype),
    ]


def cut(buffer: list[Any], start: int, stop: int) -> list[Any]:
    """The buffer of elements `start` to `stop` of a buffer made by `spec`."""
    memory, _, kind = buffer
    if isinstance(memory, np.ndarray):
        return [memory.reshape(-1)[start:stop], stop - start, kind]
    width = kind.Get_size()
    return [memory[start * width : stop * width], stop - start, kind]


def parts(buffer: list[Any], size: int) -> list[list[Any]]:
    """The buffers of the single ranks in a buffer made by `spec` for `size` ranks."""
    count = buffer[1]
    if isinstance(count, int):
        return [cut(buffer, rank * count, (rank + 1) * count) for rank in range(size)]
    return [cut(buffer, start, start + n) for n, start in zip(*count, strict=True)]
