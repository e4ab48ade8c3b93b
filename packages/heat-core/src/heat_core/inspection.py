"""What the array API standard asks of the namespace itself: its version and what it offers."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.devices import Device, cpu, get_device
from heat_core.dtypes import (
    ALL_DTYPES,
    DType,
    bfloat16,
    complex64,
    complex128,
    default_float,
    float16,
    float64,
    int64,
    isdtype,
)

__all__ = [
    "NamespaceInfo",
    "__array_api_version__",
    "__array_namespace_info__",
    "array_namespace",
]

__array_api_version__ = "2025.12"

_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")
_KINDS = ("bool", "signed integer", "unsigned integer", "real floating", "complex floating")
_STANDARD_DTYPES = tuple(dtype for dtype in ALL_DTYPES if dtype not in (float16, bfloat16))
_MAX_DIMENSIONS = 64  # of torch's tensors


class NamespaceInfo:
    """Answers to questions about the namespace; all local. See the array API standard."""

    def capabilities(self) -> dict[str, Any]:
        """Which optional behaviour there is."""
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": _MAX_DIMENSIONS,
        }

    def default_device(self) -> Device:
        """The device of new arrays."""
        return get_device()

    def devices(self) -> tuple[Device, ...]:
        """The devices of this process."""
        return (cpu, *(Device("gpu", index) for index in range(torch.cuda.device_count())))

    def default_dtypes(self, *, device: object = None) -> dict[str, DType]:
        """The types that functions choose when none is given; the same on all devices."""
        del device
        real = default_float()
        return {
            "real floating": real,
            "complex floating": complex128 if real is float64 else complex64,
            "integral": int64,
            "indexing": int64,
        }

    def dtypes(
        self, *, device: object = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """The types of the standard, by name; the same on all devices.

        Parameters
        ----------
        device : device, optional
        kind : str or tuple of str, optional
            Kinds as ``isdtype`` takes them. Default: all.
        """
        del device
        chosen = _KINDS if kind is None else kind
        return {dtype.name: dtype for dtype in _STANDARD_DTYPES if isdtype(dtype, chosen)}


def __array_namespace_info__() -> NamespaceInfo:  # noqa: N807 - the name of the standard
    """The namespace's capabilities, devices and data types. Local."""
    return NamespaceInfo()


def array_namespace(x: DNDarray, /, *, api_version: str | None = None) -> ModuleType:
    """The namespace of the array API standard that goes with the array: ``heat_core``. Local.

    Raises
    ------
    ValueError
        For a version of the standard that is not known.
    """
    del x
    if api_version is not None and api_version not in _VERSIONS:
        raise ValueError(
            f"no version {api_version!r} of the array API standard; known are "
            f"{', '.join(_VERSIONS)}"
        )
    return sys.modules["heat_core"]
