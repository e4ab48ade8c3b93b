"""In which order the axes of a distributed array are transformed, and where it is split meanwhile.

Only axes that are not split can be transformed, so the split moves; each move sends all data once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Move", "Transform", "steps"]

#: Complex to complex; real to complex along the last axis; complex to real along the last axis.
Kind = Literal["c2c", "r2c", "c2r"]


@dataclass(frozen=True, slots=True)
class Transform:
    """Transform these axes, none of which is split.

    ``real`` is the axis of the real transform, if it is among them.
    """

    axes: tuple[int, ...]
    real: int | None


@dataclass(frozen=True, slots=True)
class Move:
    """Split the array along another axis."""

    split: int


def _ready(todo: Sequence[int], real: int | None, kind: Kind, split: int | None) -> tuple[int, ...]:
    """The axes that can be transformed now: real data come first or last."""
    local = tuple(axis for axis in todo if axis != split)
    if kind == "r2c" and real in todo and split == real:
        return ()
    if kind == "c2r" and split in todo:
        return tuple(axis for axis in local if axis != real)
    return local


def _destination(
    shape: Sequence[int], todo: Sequence[int], split: int, real: int | None, kind: Kind
) -> int:
    """Where the split moves: to an axis that is done or will not be, the longest of them."""
    others = [axis for axis in range(len(shape)) if axis != split]
    # The axis that must come first or last is better left alone.
    waiting = [axis for axis in others if axis not in todo] or [
        axis for axis in others if kind != "c2r" or axis != real
    ]
    return max(waiting or others, key=lambda axis: shape[axis])


def steps(
    shape: Sequence[int], axes: Sequence[int], split: int | None, kind: Kind, keep: bool
) -> Iterator[Transform | Move]:
    """The steps of a transform of two or more axes, or of others than the split axis.

    Parameters
    ----------
    shape : sequence of int
    axes : sequence of int
        To be transformed; the real transform is along the last one.
    split : int or None
    kind : {"c2c", "r2c", "c2r"}
    keep : bool
        Whether the split has to be the old one in the end.
    """
    real = axes[-1] if kind != "c2c" else None
    todo, now = list(axes), split
    while todo:
        ready = _ready(todo, real, kind, now)
        if ready:
            yield Transform(ready, real if real in ready else None)
            todo = [axis for axis in todo if axis not in ready]
        if todo:
            assert now is not None
            now = _destination(shape, todo, now, real, kind)
            yield Move(now)
    if keep and split is not None and now != split:
        yield Move(split)
