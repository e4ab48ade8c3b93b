"""The element-wise dispatcher: every element-wise function is a row that comes through here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import BuiltinFunctionType
from typing import Any, Literal

import torch

from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dispatch.operands import (
    Operand,
    Scalar,
    broadcast_shapes,
    coerce,
    common_comm,
    common_device,
    local_operand,
    target_layout,
)
from heat_core.dtypes import (
    ALL_DTYPES,
    DType,
    bool_,
    can_cast,
    float64,
    float_type,
    result_type,
)
from heat_core.dtypes.unsigned import CARRIERS, Carry, carry, uncarry
from heat_core.layout import Layout
from heat_core.memory import LARGE, empty

__all__ = ["Kernel", "apply", "binary", "unary"]

Rule = Literal["promote", "float", "compare", "logical"]
_MANY = LARGE // 4  # elements
# torch's functions without the keyword, or with a result of another type than expected.
_WITHOUT_OUT = (torch.abs, torch.isfinite, torch.isinf, torch.isnan)
_KIND_CODES = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "real floating": "f",
    "complex floating": "c",
}


@dataclass(frozen=True, slots=True)
class Kernel:
    """One element-wise function.

    Parameters
    ----------
    name : str
    function : callable
        Of local tensors.
    rule : str
        ``"promote"``: computed in the promoted type. ``"float"``: integers become floats first.
        ``"compare"``: as promote, the result is bool. ``"logical"``: operands are not promoted.
    kinds : str
        Kinds of data types that the function takes, of ``"biufc"`` as in NumPy.
    takes_scalar : bool
        Whether the second argument of ``function`` may be a Python scalar.
    carry : {"wrap", "order"} or None
        How uint64 is computed in int64; None: not at all.
    of_uint64 : callable, optional
        The function on uint64 if none on int64 will do: takes and gives the bits as int64.
    """

    name: str
    function: Callable[..., torch.Tensor]
    rule: Rule = "promote"
    kinds: str = "biufc"
    takes_scalar: bool = True
    carry: Carry | None = None
    of_uint64: Callable[..., torch.Tensor] | None = None

    @property
    def takes_out(self) -> bool:
        """Whether ``function`` is one of torch's, which have the keyword ``out``."""
        return isinstance(self.function, BuiltinFunctionType) and self.function not in _WITHOUT_OUT

    def direct_types(self) -> frozenset[torch.dtype]:
        """Types on whose tensors ``function`` can be called as they are."""
        converted = "biu" if self.rule == "float" else ""
        kinds = set(self.kinds) - set(converted)
        return frozenset(
            dtype.torch
            for dtype in ALL_DTYPES
            if _KIND_CODES[dtype.kind] in kinds and dtype.torch not in CARRIERS
        )

    def check(self, dtype: DType) -> None:
        """TypeError if the function does not take the type."""
        if _KIND_CODES[dtype.kind] not in self.kinds:
            raise TypeError(f"{self.name} does not take {dtype.name}")
        unable = self.carry is None and self.of_uint64 is None and self.rule != "float"
        if dtype.torch is torch.uint64 and unable:
            raise TypeError(f"{self.name} does not take uint64: cast to int64 or float64")


def _compute_type(kernel: Kernel, operands: list[Operand]) -> DType:
    """The type in which the kernel is computed."""
    if kernel.rule == "logical" and len(operands) > 1:
        return bool_  # of scalars; arrays stay as they are
    dtype = result_type(*operands)
    if kernel.rule == "compare" and len(operands) == 2:
        kinds = {getattr(getattr(o, "dtype", None), "kind", type(o)) for o in operands}
        if float in kinds and not kinds.isdisjoint({"signed integer", "unsigned integer"}):
            dtype = float64  # float32 would make neighbouring integers equal
    return float_type(dtype) if kernel.rule == "float" else dtype


def _scalar_operand(
    kernel: Kernel, scalar: Scalar, dtype: torch.dtype, position: int
) -> torch.Tensor | Scalar:
    """A Python scalar in the form in which the kernel takes it beside tensors of ``dtype``."""
    if dtype is torch.uint64:
        # In the carrier: biased, or modulo 2**64.
        assert isinstance(scalar, int)
        bits = scalar - (1 << 63) if kernel.carry == "order" else scalar
        scalar, dtype = (bits - (1 << 64) if bits >= 1 << 63 else bits), torch.int64
    if position and kernel.takes_scalar:
        return scalar
    return torch.tensor(scalar, dtype=CARRIERS.get(dtype, dtype))


def _compute(
    kernel: Kernel, operands: list[Operand], dtype: DType, target: Layout, keyword: dict[str, Any]
) -> torch.Tensor:
    """The local result under ``target``."""
    carry_mode: Carry = kernel.carry or "wrap"
    arguments: list[torch.Tensor | Scalar] = []
    for position, operand in enumerate(operands):
        if not isinstance(operand, DNDarray):
            arguments.append(_scalar_operand(kernel, operand, dtype.torch, position))
            continue
        local = local_operand(operand, target)
        if kernel.rule != "logical":
            local = convert(local, dtype.torch)
        arguments.append(carry(local, carry_mode))
    on_bits = kernel.of_uint64 if dtype.torch is torch.uint64 else None
    function = kernel.function if on_bits is None else on_bits
    if not keyword and function is kernel.function and dtype.torch not in CARRIERS:
        keyword = _place(kernel, dtype.torch, *arguments)
    return uncarry(function(*arguments, **keyword), dtype.torch, carry_mode)


def _place(
    kernel: Kernel, dtype: torch.dtype, *arguments: torch.Tensor | Scalar
) -> dict[str, torch.Tensor]:
    """Where a large result goes: memory that is in use no more, or nothing said."""
    tensors = [x for x in arguments if isinstance(x, torch.Tensor)]
    largest = max(tensors, key=torch.numel)
    if largest.numel() < _MANY or not largest.is_contiguous() or not kernel.takes_out:
        return {}
    if torch.broadcast_shapes(*(x.shape for x in tensors)) != largest.shape:
        return {}
    kind = torch.bool if kernel.rule in ("compare", "logical") else dtype
    return {"out": empty(largest.shape, kind, largest.device)}


def _expanded(local: torch.Tensor, target: Layout, rank: int) -> torch.Tensor:
    shape = target.lshape(rank)
    return local if tuple(local.shape) == shape else local.expand(shape).clone()


def apply(kernel: Kernel, *inputs: Any, out: DNDarray | None = None, where: Any = True) -> DNDarray:
    """The element-wise function of some operands. Collective if layouts differ.

    Parameters
    ----------
    kernel : Kernel
    inputs : DNDarray, Python scalar, or NumPy array or tensor (taken as replicated)
        Broadcast against each other.
    out : DNDarray, optional
        Takes the result, cast within its kind, under its own layout.
    where : array_like of bool
        Elements to compute; the others keep the value of ``out``.

    Returns
    -------
    DNDarray
        Laid out like ``out``, else like the largest distributed operand.
    """
    comm = common_comm((*inputs, out, where))
    device = common_device((*inputs, out, where))
    operands = [coerce(x, comm, device) for x in inputs]
    if not any(isinstance(operand, DNDarray) for operand in operands):
        dtype = result_type(*operands)
        operands[0] = coerce(torch.tensor(operands[0], dtype=dtype.torch), comm, device)
    dtype = _compute_type(kernel, operands)
    kernel.check(dtype)
    mask = None if where is True else coerce(where, comm, device)
    arrays = [o for o in (*operands, mask) if isinstance(o, DNDarray)]
    shape = broadcast_shapes(*(array.shape for array in arrays))
    if out is None:
        target = target_layout(arrays, shape)
    else:
        if not _fits(shape, out.shape):
            raise ValueError(f"out has shape {out.shape}, the result {shape}")
        _check_out(kernel, out, dtype)
        target = out.layout
    return _finish(kernel, operands, dtype, target, out, mask)


def _fits(shape: tuple[int, ...], out_shape: tuple[int, ...]) -> bool:
    """Whether a result of ``shape`` can be broadcast into ``out``."""
    try:
        return broadcast_shapes(shape, out_shape) == out_shape
    except ValueError:
        return False


def _check_out(kernel: Kernel, out: DNDarray, dtype: DType) -> None:
    result = bool_ if kernel.rule in ("compare", "logical") else dtype
    if not can_cast(result, out.dtype, "same_kind"):
        raise TypeError(
            f"the result of {kernel.name}, {result.name}, does not fit {out.dtype.name}"
        )


def _finish(
    kernel: Kernel,
    operands: list[Operand],
    dtype: DType,
    target: Layout,
    out: DNDarray | None,
    mask: Operand | None,
) -> DNDarray:
    """Compute, select by the mask, and store."""
    first = next(operand for operand in operands if isinstance(operand, DNDarray))
    in_place = kernel.takes_out and dtype.torch not in CARRIERS and mask is None
    if out is not None and in_place and out.dtype is dtype and _may_be_written(out, operands):
        _compute(kernel, operands, dtype, target, {"out": out.larray})
        return out
    local = _compute(kernel, operands, dtype, target, {})
    local = _expanded(local, target, first.comm.rank)
    if mask is not None:
        selected = (
            local_operand(mask, target).bool()
            if isinstance(mask, DNDarray)
            else torch.tensor(bool(mask))
        )
        old = torch.empty_like(local) if out is None else convert(out.larray, local.dtype)
        local = torch.where(selected, local, old)
    if out is None:
        return wrap(local, target, first.comm)
    out.larray.copy_(convert(local, out.larray.dtype))
    return out


def _may_be_written(out: DNDarray, operands: list[Operand]) -> bool:
    """Whether no operand is spoilt while ``out`` is written: each is the same, or elsewhere."""
    storage = out.larray.untyped_storage().data_ptr()
    return all(
        operand is out or operand.larray.untyped_storage().data_ptr() != storage
        for operand in operands
        if isinstance(operand, DNDarray)
    )


def unary(kernel: Kernel, summary: str) -> Callable[..., DNDarray]:
    """The public function of a kernel of one array."""
    compute, direct = kernel.function, kernel.direct_types()

    def function(x: Any, /, out: DNDarray | None = None, *, where: Any = True) -> DNDarray:
        if type(x) is DNDarray and out is None and where is True and x._local.dtype in direct:
            if x._local.numel() >= _MANY:
                place = _place(kernel, x._local.dtype, x._local)
                return wrap(compute(x._local, **place), x._layout, x._comm)
            return wrap(compute(x._local), x._layout, x._comm)
        return apply(kernel, x, out=out, where=where)

    return _named(function, kernel, summary, "x : array_like")


def binary(kernel: Kernel, summary: str) -> Callable[..., DNDarray]:
    """The public function of a kernel of two arrays."""
    compute, direct = kernel.function, kernel.direct_types()
    direct_reals = (
        frozenset(t for t in direct if t.is_floating_point) if kernel.takes_scalar else frozenset()
    )

    def function(
        x1: Any, x2: Any, /, out: DNDarray | None = None, *, where: Any = True
    ) -> DNDarray:
        # Equal layouts and types, or a weak scalar: nothing to decide, and every nanosecond counts.
        if type(x1) is DNDarray and out is None and where is True:
            a = x1._local
            if type(x2) is DNDarray:
                b = x2._local
                if (
                    a.dtype is b.dtype
                    and a.dtype in direct
                    and x1._comm is x2._comm
                    and (x1._layout is x2._layout or x1._layout == x2._layout)
                ):
                    place = _place(kernel, a.dtype, a) if a.numel() >= _MANY else {}
                    return wrap(compute(a, b, **place), x1._layout, x1._comm)
            elif (type(x2) is float or type(x2) is int) and a.dtype in direct_reals:
                place = _place(kernel, a.dtype, a) if a.numel() >= _MANY else {}
                return wrap(compute(a, x2, **place), x1._layout, x1._comm)
        return apply(kernel, x1, x2, out=out, where=where)

    return _named(function, kernel, summary, "x1, x2 : array_like, broadcast against each other")


_RULE_TEXT: dict[Rule, str] = {
    "promote": "Of the promoted type.",
    "float": "Of the promoted floating-point type.",
    "compare": "Of type bool.",
    "logical": "Of type bool.",
}


def _named(
    function: Callable[..., DNDarray], kernel: Kernel, summary: str, parameters: str
) -> Callable[..., DNDarray]:
    function.__name__ = function.__qualname__ = kernel.name
    function.__doc__ = f"""{summary} Element-wise; collective if layouts differ.

    Parameters
    ----------
    {parameters}
        Arrays, Python scalars, or NumPy arrays and tensors, which are taken as replicated.
    out : DNDarray, optional
        Takes the result under its own layout.
    where : array_like of bool
        Elements to compute; the others keep the value of ``out``.

    Returns
    -------
    DNDarray
        {_RULE_TEXT[kernel.rule]} Laid out like ``out``, else like the largest distributed operand.
    """
    return function
