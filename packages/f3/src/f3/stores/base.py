"""What a store of errors offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

__all__ = ["ErrorStore"]


class ErrorStore(ABC):
    """One row of errors for each sample, and whether it was ever written.

    Attributes
    ----------
    row : tuple of int
        Shape of a row.
    """

    row: tuple[int, ...]

    @abstractmethod
    def check(self, index: Any, n: int) -> Any:
        """The ids in the form that `read` and `write` take.

        Raises
        ------
        TypeError, IndexError, ValueError
            If they are of the wrong type, out of range, or not `n`.
        """

    @abstractmethod
    def read(self, index: Any) -> tuple[Tensor, Tensor]:
        """The rows of checked ids, (n, *row), and where they have been written, bool (n,)."""

    @abstractmethod
    def write(self, index: Any, rows: Tensor) -> None:
        """Overwrite the rows of checked ids; of an id that comes twice, the last one counts."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes held by this process."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what another store of the same kind held."""
