"""Parts of complex numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from heat_core.dispatch.elementwise import Kernel, unary

__all__ = ["conj", "conjugate", "imag", "numpy_on_complex", "real"]


def numpy_on_complex(
    ufunc: Callable[..., Any], otherwise: Callable[[torch.Tensor], torch.Tensor]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """NumPy's function of complex numbers, where torch errs in infinities and signs of zeros."""

    def compute(x: torch.Tensor) -> torch.Tensor:
        if not x.is_complex():
            return otherwise(x)
        with np.errstate(all="ignore"):
            result = np.asarray(ufunc(x.resolve_conj().cpu().numpy()))
        return torch.from_numpy(result).to(x.device)

    return compute


def _real(x: torch.Tensor) -> torch.Tensor:
    return x.real.clone() if x.is_complex() else x.clone()


def _imag(x: torch.Tensor) -> torch.Tensor:
    return x.imag.clone() if x.is_complex() else torch.zeros_like(x)


def _conj(x: torch.Tensor) -> torch.Tensor:
    return torch.conj_physical(x) if x.is_complex() else x.clone()


real = unary(Kernel("real", _real, carry="wrap"), "Real part; of real numbers a copy.")
imag = unary(Kernel("imag", _imag, carry="wrap"), "Imaginary part; of real numbers zeros.")
conj = conjugate = unary(
    Kernel("conj", _conj, carry="wrap"), "Complex conjugate; of real numbers a copy."
)
