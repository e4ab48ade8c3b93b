"""A second device for machines without one: its tensors compute on the CPU, but do not admit it.

They report torch's spare device, and are as strict as those on a GPU: they mix with no tensor on
the CPU but numbers (of no axes, in element-wise operations) and indices, and NumPy cannot see them.
A tensor that is made on the wrong device fails on it, as it would on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = ["DEVICE", "SecondTensor", "second_device"]

DEVICE = torch.device("privateuseone", 0)
CPU = torch.device("cpu")

aten = torch.ops.aten
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}
NUMBERS = INDEXING | {aten.floor_divide}  # element-wise, without the tag


class SecondTensor(torch.Tensor):
    """A tensor on the second device; ``on_cpu`` has its values."""

    on_cpu: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, on_cpu: torch.Tensor) -> SecondTensor:
        """Wrap a tensor on the CPU, without a copy."""
        on_cpu = on_cpu.resolve_conj().resolve_neg()
        result = torch.Tensor._make_wrapper_subclass(
            cls,
            on_cpu.size(),
            strides=on_cpu.stride(),
            storage_offset=on_cpu.storage_offset(),
            dtype=on_cpu.dtype,
            device=DEVICE,
        )
        result.on_cpu = on_cpu
        return result

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    # What torch does not let a subclass do, or does without the values.
    def tolist(self) -> Any:
        return self.on_cpu.tolist()

    def data_ptr(self) -> int:
        return self.on_cpu.data_ptr()

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.on_cpu.untyped_storage()

    def __format__(self, form: str) -> str:
        return format(self.on_cpu, form)

    def __repr__(self) -> str:
        return f"SecondTensor({self.on_cpu})"


class _SecondDevice(TorchDispatchMode):
    """Sees every operation, those that make tensors too."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if SecondTensor in types or kwargs.get("device") == DEVICE:
            return _run(func, args, kwargs)
        return func(*args, **kwargs)


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An operation of which an argument or the result is on the second device."""
    given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    if any(isinstance(x, SecondTensor) for x in given):
        _refuse_mixtures(func, args, given)
    inner_args, inner_kwargs = tree_map(_inner, (args, kwargs))
    result = func(*inner_args, **inner_kwargs)
    if kwargs.get("device") == CPU:
        return result
    known = {id(_inner(x)): x for x in given}  # what is changed in place, and returned
    return tree_map(lambda x: _outer(x, known), result)


def _refuse_mixtures(func: Any, args: tuple[Any, ...], given: list[torch.Tensor]) -> None:
    operation = func.overloadpacket
    if operation in (aten.copy_, aten._to_copy):
        return
    if operation in INDEXING and isinstance(args[0], SecondTensor):
        given = [x for x in args[2:3] if isinstance(x, torch.Tensor)]
    for x in given:
        is_number = x.dim() == 0 and (operation in NUMBERS or torch.Tag.pointwise in func.tags)
        if not isinstance(x, SecondTensor) and not is_number:
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but {func} got one of shape "
                f"{tuple(x.shape)} on the CPU"
            )


def _inner(x: Any) -> Any:
    if isinstance(x, SecondTensor):
        return x.on_cpu
    return CPU if isinstance(x, torch.device) else x


def _outer(x: Any, known: dict[int, torch.Tensor]) -> Any:
    if not isinstance(x, torch.Tensor):
        return x
    return known[id(x)] if id(x) in known else SecondTensor(x)


@cache
def _register() -> None:
    """Tell torch that there is such a device; once in a process."""
    backend_registration._setup_privateuseone_for_python_backend("second")


@contextmanager
def second_device() -> Iterator[torch.device]:
    """Within, there is the device."""
    _register()
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=...) goes the common way
    try:
        with _SecondDevice():
            yield DEVICE
    finally:
        torch._C._set_only_lift_cpu_tensors(False)
