"""What tells the hidden blocks about the error: rows, or a class and a strength for each sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Signal"]


@dataclass(frozen=True)
class Signal:
    """Error information of a batch, along the gradient of the loss.

    Attributes
    ----------
    values : Tensor, (m, C) or (m,)
        Errors at the m output positions of the batch (m is the number of samples, unless the model
        has an output for each token). One number a position if `classes` is given.
    classes : Tensor or None, (m,)
        Of a one-hot signal: the only output with an error.
    """

    values: Tensor
    classes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)

    def scaled(self, factor: float | Tensor) -> Signal:
        """The signal times a number."""
        return Signal(self.values * factor, self.classes)

    def rows(self, n_outputs: int) -> Tensor:
        """The signal as rows, (m, n_outputs)."""
        if self.classes is None:
            return self.values
        rows = self.values.new_zeros(len(self), n_outputs)
        return rows.scatter_(1, self.classes[:, None], self.values[:, None])

    def project(self, matrix: Tensor) -> Tensor:
        """The product with a matrix of shape (C, k), as (m, k); no product if one-hot."""
        if matrix.dtype != self.values.dtype:
            matrix = matrix.to(self.values.dtype)
        if self.classes is None:
            return self.values @ matrix
        return torch.index_select(matrix, 0, self.classes).mul_(self.values[:, None])
