"""The methods of arrays: one table from names to functions.

``x.f(...)`` and ``ht.f(x, ...)`` are the same object and cannot diverge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from heat_core.array import (
    conversion,
    dlpack,
    halo,
    numpy_protocol,
    partition,
    pickling,
    printing,
    relayout,
    torch_protocol,
)
from heat_core.array import local as own_part
from heat_core.array.dndarray import DNDarray
from heat_core.array.inplace import IN_PLACE
from heat_core.indexing import access, functions
from heat_core.inspection import array_namespace
from heat_core.io import dispatch as files
from heat_core.io import hdf5, netcdf
from heat_core.linalg.matmul import matmul
from heat_core.ops import (
    arithmetic,
    bitwise,
    complex_numbers,
    diagonals,
    differences,
    exponential,
    logical,
    moments,
    nanreductions,
    quantile,
    rearrange,
    reductions,
    relational,
    reshape,
    rounding,
    scans,
    shape,
    sorting,
    special,
    statistics,
    trigonometric,
    unique,
)

__all__ = ["METHODS", "DNDarray"]

_BINARY_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "truediv": arithmetic.divide,
    "floordiv": arithmetic.floor_divide,
    "mod": arithmetic.remainder,
    "pow": arithmetic.power,
    "matmul": matmul,
    "and": bitwise.bitwise_and,
    "or": bitwise.bitwise_or,
    "xor": bitwise.bitwise_xor,
    "lshift": bitwise.bitwise_left_shift,
    "rshift": bitwise.bitwise_right_shift,
    "divmod": arithmetic.divmod,
}
_COMPARISONS: dict[str, Callable[..., DNDarray]] = {
    "lt": relational.less,
    "le": relational.less_equal,
    "gt": relational.greater,
    "ge": relational.greater_equal,
    "eq": relational.equal,
    "ne": relational.not_equal,
}

METHODS: dict[str, Callable[..., Any]] = {
    **IN_PLACE,
    "__abs__": arithmetic.absolute,
    "__array__": numpy_protocol.to_array,
    "__array_function__": numpy_protocol.array_function,
    "__array_namespace__": array_namespace,
    "__array_ufunc__": numpy_protocol.array_ufunc,
    "__bool__": conversion.to_bool,
    "__complex__": conversion.to_complex,
    "__copy__": conversion.copy,
    "__deepcopy__": pickling.deepcopy,
    "__dlpack__": dlpack.dlpack,
    "__dlpack_device__": dlpack.dlpack_device,
    "__float__": conversion.to_float,
    "__getitem__": access.getitem,
    "__index__": conversion.to_index,
    "__int__": conversion.to_int,
    "__invert__": bitwise.bitwise_invert,
    "__iter__": access.iterate,
    "__neg__": arithmetic.negative,
    "__pos__": arithmetic.positive,
    "__reduce__": pickling.reduce,
    "__repr__": printing.local_text,
    "__setitem__": access.setitem,
    "__str__": printing.text,
    "__torch_proxy__": torch_protocol.torch_proxy,
    **{
        function.__name__: function
        for function in (
            *(files.save, hdf5.save_hdf5, netcdf.save_netcdf),
            partition.create_partition_interface,
            *(relayout.balance, relayout.balance_, relayout.numpy, relayout.redistribute),
            *(relayout.collect, relayout.collect_, own_part.cpu, own_part.gpu, special.modf),
            *(relayout.redistribute_, relayout.resplit, relayout.resplit_, relayout.tolist),
            *(conversion.astype, conversion.copy, conversion.item, dlpack.to_device),
            *(functions.count_nonzero, functions.fill_diagonal, functions.nonzero, functions.take),
            *(shape.expand_dims, shape.squeeze, shape.swapaxes, shape.transpose),
            *(rearrange.rot90, reshape.flatten, reshape.ravel, reshape.reshape),
            *(diagonals.tril, diagonals.triu, halo.get_halo),
            *(reductions.all, reductions.any, reductions.argmax, reductions.argmin),
            *(reductions.max, reductions.min, reductions.prod, reductions.sum),
            *(moments.kurtosis, moments.mean, moments.skew, moments.std, moments.var),
            *(statistics.average, quantile.median, quantile.percentile, quantile.quantile),
            *(scans.cumsum, scans.cumprod, differences.diff, sorting.argsort, sorting.sort),
            *(sorting.topk, unique.unique, nanreductions.ptp),
            *(matmul, rounding.clip, rounding.round, logical.isclose, logical.allclose),
        )
    },
    **{
        name: getattr(module, name)
        for module, names in (
            (arithmetic, ("abs", "absolute", "add", "divide", "multiply", "power", "sign")),
            (arithmetic, ("sqrt", "square", "subtract")),
            (exponential, ("exp", "exp2", "expm1", "log", "log10", "log1p", "log2")),
            (arithmetic, ("fabs",)),
            (complex_numbers, ("conj",)),
            (trigonometric, ("acos", "asin", "atan", "atan2")),
            (trigonometric, ("cos", "cosh", "sin", "sinh", "tan", "tanh")),
            (rounding, ("ceil", "floor", "trunc")),
            (logical, ("isfinite", "isinf", "isnan")),
        )
        for name in names
    },
}


def _forward(function: Callable[..., Any]) -> Callable[..., Any]:
    # Python asks the other operand if a method returns NotImplemented.
    def method(self: DNDarray, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        return function(self, other)

    return method


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: DNDarray, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        return function(other, self)

    return method


def _in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: DNDarray, other: Any) -> Any:
        return function(self, other, out=self)

    return method


def _conjugate_transpose(self: DNDarray) -> DNDarray:
    """The conjugate of the matrix transpose. Local."""
    return complex_numbers.conj(shape.matrix_transpose(self))


def _is_operand(obj: Any) -> bool:
    return isinstance(obj, (DNDarray, bool, int, float, complex)) or hasattr(obj, "__array__")


def _attach() -> None:
    for name, function in METHODS.items():
        setattr(DNDarray, name, function)
    for name, function in _BINARY_OPERATORS.items():
        setattr(DNDarray, f"__{name}__", _forward(function))
        setattr(DNDarray, f"__r{name}__", _reflected(function))
        if name not in ("divmod", "matmul"):
            setattr(DNDarray, f"__i{name}__", _in_place(function))
    for name, function in _COMPARISONS.items():
        setattr(DNDarray, f"__{name}__", _forward(function))
    DNDarray.__torch_function__ = classmethod(  # type: ignore[attr-defined]
        torch_protocol.torch_function
    )
    DNDarray.__partitioned__ = property(  # type: ignore[attr-defined]
        partition.create_partition_interface
    )
    DNDarray.real = property(complex_numbers.real)  # type: ignore[attr-defined]
    DNDarray.imag = property(complex_numbers.imag)  # type: ignore[attr-defined]
    DNDarray.H = property(_conjugate_transpose)  # type: ignore[attr-defined]
    DNDarray.lloc = property(own_part.lloc)  # type: ignore[attr-defined]
    DNDarray.T = property(shape.transpose)  # type: ignore[attr-defined]
    DNDarray.mT = property(shape.matrix_transpose)  # type: ignore[attr-defined]
    DNDarray.halo_prev = property(halo.halo_prev)  # type: ignore[attr-defined]
    DNDarray.halo_next = property(halo.halo_next)  # type: ignore[attr-defined]
    DNDarray.array_with_halos = property(halo.array_with_halos)  # type: ignore[attr-defined]


_attach()
