"""Settings of the library, for the whole process or for a ``with`` block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

__all__ = ["Config", "config"]


@dataclass(slots=True)
class Config:
    """The settings; ``with config(name=value):`` changes some for a block.

    All ranks must make the same settings.

    Parameters
    ----------
    default_dtype : str
        ``"float32"`` or ``"float64"``: the type of floating-point results of integers.
    replicate_bytes : int
        Up to this size an operand may be copied to every rank if that saves messages.
    implicit_gather_bytes : int
        Up to this size ``numpy.asarray`` gathers a distributed array.
    auto_balance_threshold : float or None
        Results of slicing are rebalanced when the largest slab exceeds the mean by this factor;
        None: never.
    spare_bytes : int
        Up to this size, memory of results that are no longer used is kept for new ones.
    reproducible : bool
        Sums, means, variances and inner products of floating-point numbers have the same bits for
        every number of ranks and every layout, at a few times the cost.
    """

    default_dtype: str = "float32"
    replicate_bytes: int = 256 << 20
    implicit_gather_bytes: int = 256 << 20
    auto_balance_threshold: float | None = None
    spare_bytes: int = 256 << 20
    reproducible: bool = False

    @contextmanager
    def __call__(self, **changes: object) -> Iterator[Config]:
        """Change settings until the end of the ``with`` block."""
        names = {field.name for field in fields(self)}
        if unknown := changes.keys() - names:
            raise TypeError(f"no such settings: {sorted(unknown)}; there are {sorted(names)}")
        previous = {name: getattr(self, name) for name in changes}
        for name, value in changes.items():
            setattr(self, name, value)
        try:
            yield self
        finally:
            for name, value in previous.items():
                setattr(self, name, value)


config = Config()
"""The settings of this process."""
