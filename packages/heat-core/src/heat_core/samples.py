"""Samples of estimators: rows that lie on the ranks, and sums over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.comm import Communicator
from heat_core.dispatch.operands import common_comm, local_operand
from heat_core.dtypes import float_type
from heat_core.layout import Layout, replicated_layout

__all__ = [
    "Samples",
    "check_array",
    "check_features",
    "check_numbers",
    "class_codes",
    "product_into",
    "products_with_themselves",
]


@dataclass(frozen=True, slots=True)
class Samples:
    """The rows of a table on this rank.

    Parameters
    ----------
    local : torch.Tensor, (rows of this rank, d)
        Floating-point, contiguous.
    layout : Layout
        Of the table; replicated or split along axis 0.
    comm : Communicator
    """

    local: torch.Tensor
    layout: Layout
    comm: Communicator

    @classmethod
    def of(cls, X: DNDarray, *, least: int = 1) -> Samples:
        """The samples of an array split in any way. Collective if it is split along axis 1.

        Raises
        ------
        TypeError
            If it is no array of real numbers.
        ValueError
            If it has not two axes, or fewer than ``least`` rows.
        """
        check_array(X, "samples")
        if X.larray.is_complex():
            raise TypeError("samples are real numbers")
        if X.ndim != 2:
            raise ValueError(f"samples are a table of two axes, not {X.ndim}")
        if X.shape[0] < least or X.shape[1] < 1:
            raise ValueError(f"{X.shape[0]} samples of {X.shape[1]} features are not enough")
        if X.split == 1:
            X = to_layout(X, X.layout.with_split(0, X.comm.size))
        kind = float_type(X.dtype).torch
        kind = torch.float32 if kind in (torch.float16, torch.bfloat16) else kind
        return cls(convert(X.larray, kind).contiguous(), X.layout, X.comm)

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.layout.gshape[0]

    @property
    def d(self) -> int:
        """Number of features."""
        return self.layout.gshape[1]

    @property
    def offset(self) -> int:
        """Global number of the first row of this rank."""
        return self.layout.offset(self.comm.rank)

    @property
    def is_distributed(self) -> bool:
        """Whether ranks hold different rows."""
        return self.layout.split is not None and self.comm.size > 1

    def beside(self, values: DNDarray, what: str) -> torch.Tensor:
        """One number for each row of this rank, (rows,). Collective unless it lies as they do.

        Raises
        ------
        ValueError
            Unless there is one number for each sample.
        """
        check_array(values, what)
        common_comm((values, *self._marker()))
        if values.ndim == 2 and values.shape[1] == 1:
            values = wrap(
                values.larray.reshape(-1) if values.split != 1 else values.larray[:, 0],
                values.layout.squeeze(frozenset((1,))),
                values.comm,
            )
        if values.shape != (self.n,):
            raise ValueError(f"{what} of shape {values.shape} for {self.n} samples")
        split = self.layout.split
        return local_operand(values, Layout((self.n,), split, self.layout.counts))

    def table_beside(self, values: DNDarray) -> torch.Tensor:
        """One row of an (n, m) table for each row of this rank. Collective as ``beside``."""
        common_comm((values, *self._marker()))
        return local_operand(values, Layout(values.shape, self.layout.split, self.layout.counts))

    def _marker(self) -> tuple[DNDarray, ...]:
        return (wrap(self.local, self.layout, self.comm),)

    def weights(self, values: DNDarray | None) -> torch.Tensor | None:
        """Weights of the rows of this rank, (rows,), not negative. Collective."""
        if values is None:
            return None
        own = self.beside(values, "sample_weight").to(self.local.dtype)
        check_numbers(self, bool((own >= 0).all()), "sample_weight must not be negative")
        return own

    def sum(self, *parts: torch.Tensor) -> list[torch.Tensor]:
        """Sums over ranks of tensors of any shapes, in double precision. One allreduce."""
        if not self.is_distributed:
            return [part.double() for part in parts]
        packed = torch.cat([part.double().reshape(-1) for part in parts])
        self.comm.allreduce(packed, "sum", out=packed)
        pieces = packed.split([part.numel() for part in parts])
        return [piece.reshape(part.shape) for piece, part in zip(pieces, parts, strict=True)]

    def array(self, local: torch.Tensor) -> DNDarray:
        """An array with one row for each sample."""
        shape = (self.n, *local.shape[1:])
        return wrap(local, Layout(shape, self.layout.split, self.layout.counts), self.comm)

    def shared(self, tensor: torch.Tensor) -> DNDarray:
        """An array of what every rank has."""
        return wrap(tensor, replicated_layout(tuple(tensor.shape)), self.comm)

    def replicated(self, tensor: torch.Tensor) -> DNDarray:
        """The same, of the type of the samples."""
        return self.shared(tensor.to(self.local.dtype))

    def rows(self, numbers: Sequence[int]) -> torch.Tensor:
        """Some rows by their global numbers, on every rank. One allreduce."""
        picked = self.local.new_zeros(len(numbers), self.d)
        for place, number in enumerate(numbers):
            own = number - self.offset
            if 0 <= own < len(self.local):
                picked[place] = self.local[own]
        if self.is_distributed:
            self.comm.allreduce(picked, "sum", out=picked)
        return picked


def products_with_themselves(rows: torch.Tensor) -> torch.Tensor:
    """``rows.T @ rows``, (d, d), for real rows (n, d). Local."""
    if rows.device.type != "cpu":
        return rows.T @ rows
    # NumPy sees that it is symmetric, and computes one half; torch does not.
    array = rows.numpy()
    return torch.from_numpy(array.T @ array)


def product_into(rows: torch.Tensor, few: torch.Tensor, out: torch.Tensor) -> None:
    """``out[:] = rows @ few`` of many rows, (n, d), and few columns, (d, k). Local."""
    if rows.device.type == "cpu":
        # Several times as fast as torch with matrices as narrow as this.
        np.matmul(rows.numpy(), few.numpy(), out=out.numpy())
    else:
        torch.mm(rows, few, out=out)


def class_codes(samples: Samples, y: DNDarray) -> tuple[torch.Tensor, torch.Tensor]:
    """The classes of samples in ascending order, and the number of the class of each row.

    Collective.

    Returns
    -------
    (classes, codes) : torch.Tensor, (k,) and (rows,)
        Classes on every rank.
    """
    labels = samples.beside(y, "classes")
    if labels.is_complex():
        raise TypeError("classes are real numbers")
    # torch searches no truth values.
    keys = labels.byte() if labels.dtype is torch.bool else labels
    own = keys.unique()
    classes = samples.comm.allgatherv(own).unique() if samples.is_distributed else own
    if bool(classes.isnan().any()):
        raise ValueError("there are NaN among the classes: leave these samples out")
    return classes.to(labels.dtype), torch.searchsorted(classes, keys)


def check_array(values: object, what: str) -> None:
    """TypeError unless it is a DNDarray."""
    if not isinstance(values, DNDarray):
        kind = type(values).__name__
        raise TypeError(f"{what} are a DNDarray, not {kind}: ht.array(..., split=0) makes one")


def check_features(samples: Samples, expected: int) -> None:
    """ValueError if samples have another number of features than those of ``fit``."""
    if samples.d != expected:
        raise ValueError(f"samples of {samples.d} features, but fit saw {expected}")


def check_numbers(samples: Samples, holds: bool, message: str) -> None:
    """ValueError on all ranks if a condition fails on one. Collective if distributed."""
    failed = torch.tensor(int(not holds))
    if samples.is_distributed:
        samples.comm.allreduce(failed, "max", out=failed)
    if failed:
        raise ValueError(message)
