"""The 2-D view of a weight tensor: what is factored, whatever the layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["MatrixView", "view_of"]


@dataclass(frozen=True)
class MatrixView:
    """How a weight tensor reads as a matrix, or as one matrix per group.

    Attributes
    ----------
    shape : tuple of int
        The tensor's shape: ``(out, in)``, ``(out, in/groups, *kernel)``, or, `transposed`,
        ``(in, out/groups, *kernel)``.
    groups : int
        Groups of a convolution; each is factored by itself, at one common rank.
    transposed : bool
        Whether the tensor is that of a transposed convolution.
    """

    shape: tuple[int, ...]
    groups: int = 1
    transposed: bool = False

    @property
    def rows(self) -> int:
        """Rows `m` of a matrix: output features or channels of a group."""
        return self.shape[1] if self.transposed else self.shape[0] // self.groups

    @property
    def columns(self) -> int:
        """Columns `n` of a matrix: input features, times the kernel's size."""
        inputs = self.shape[0] // self.groups if self.transposed else self.shape[1]
        return inputs * math.prod(self.shape[2:])

    @property
    def max_rank(self) -> int:
        """The rank of a matrix without any loss, ``min(rows, columns)``."""
        return min(self.rows, self.columns)

    @property
    def numel(self) -> int:
        """Numbers in the dense tensor."""
        return math.prod(self.shape)

    def matrix(self, weight: Tensor) -> Tensor:
        """View a tensor of the weight's shape as ``(m, n)``, or ``(groups, m, n)``."""
        grouped = weight.reshape(self.groups, self.shape[0] // self.groups, *self.shape[1:])
        if self.transposed:
            grouped = grouped.transpose(1, 2)
        matrices = grouped.reshape(self.groups, self.rows, self.columns)
        return matrices if self.groups > 1 else matrices[0]

    def tensor(self, matrix: Tensor) -> Tensor:
        """Undo `matrix`: the tensor in the weight's shape."""
        inner = (self.rows, self.columns // math.prod(self.shape[2:]), *self.shape[2:])
        grouped = matrix.reshape(self.groups, *inner)
        if self.transposed:
            grouped = grouped.transpose(1, 2)
        return grouped.reshape(self.shape)


def view_of(layer: nn.Module) -> MatrixView | None:
    """The 2-D view of a layer's weight; None for a layer of another kind."""
    if getattr(layer, "is_held", False):
        weight = layer._parameters["weight"]
        return None if weight is None else MatrixView(tuple(weight.shape))
    if isinstance(layer, nn.Linear):
        return MatrixView(tuple(layer.weight.shape))
    if isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return MatrixView(tuple(layer.weight.shape), layer.groups, transposed=True)
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return MatrixView(tuple(layer.weight.shape), layer.groups)
    return None
