"""Arrays as text: the global content with only its edges gathered, or the local part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import to_numpy
from heat_core.comm import get_comm
from heat_core.dtypes.unsigned import take_positions

__all__ = [
    "PrintOptions",
    "get_printoptions",
    "global_printing",
    "local_printing",
    "local_text",
    "print0",
    "set_printoptions",
    "text",
]


@dataclass(frozen=True, slots=True)
class PrintOptions:
    """How arrays are printed; the meaning is NumPy's."""

    precision: int = 4
    threshold: int = 1000
    edgeitems: int = 3
    linewidth: int = 120
    sci_mode: bool | None = None


_PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=2**62),
}


@dataclass(slots=True)
class _State:
    options: PrintOptions
    is_local: bool = False


_state = _State(PrintOptions())


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how arrays are printed. Local; call it alike on all ranks.

    Parameters
    ----------
    precision : int
        Digits after the point.
    threshold : int
        Number of elements above which the inner ones are left out.
    edgeitems : int
        Elements shown at each end of an axis.
    linewidth : int
    profile : {"default", "short", "full"}
        Starting point of the other settings.
    sci_mode : bool
        Always or never scientific notation; None: where needed.
    """
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"profile is one of {', '.join(_PROFILES)}, not {profile!r}")
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
        "sci_mode": sci_mode,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _state.options = replace(_PROFILES.get(profile or "", _state.options), **changes)


def get_printoptions() -> PrintOptions:
    """How arrays are printed. Local."""
    return _state.options


def local_printing() -> None:
    """Let ``str`` show the local part on every rank, without communication. Local."""
    _state.is_local = True


def global_printing() -> None:
    """Let ``str`` show the global array on rank 0 (the default). Local."""
    _state.is_local = False


def print0(*args: object, **kwargs: Any) -> None:
    """``print`` on rank 0 of the default communicator. Collective if arrays are printed."""
    texts = [str(argument) for argument in args]
    if get_comm().rank == 0:
        print(*texts, **kwargs)  # noqa: T201 - this is what the function is for


def local_text(x: DNDarray) -> str:
    """``repr(x)``: the part of this rank. Local."""
    body = _format(to_numpy(x.larray), "    ", summarise=x.lnumel > _state.options.threshold)
    return (
        f"DNDarray(rank {x.comm.rank} of {x.comm.size}: shape={x.shape}, split={x.split}, "
        f"local shape={x.lshape}, dtype={x.dtype}, device={x.device},\n    {body})"
    )


def text(x: DNDarray) -> str:
    """``str(x)``: the global array on rank 0, nothing on the others. Collective."""
    if _state.is_local:
        return local_text(x)
    summarise = x.size > _state.options.threshold
    edges = _gather_edges(x, summarise)
    if edges is None:
        return ""
    prefix = "DNDarray("
    body = _format(edges, " " * len(prefix), summarise=summarise)
    return f"{prefix}{body}, dtype={x.dtype}, device={x.device}, split={x.split})"


def _shown(extent: int, summarise: bool) -> list[int]:
    """Positions of an axis to print, and one between the edges, which becomes an ellipsis."""
    edge = _state.options.edgeitems
    if not summarise or extent <= 2 * edge + 1:
        return list(range(extent))
    return [*range(edge + 1), *range(extent - edge, extent)]


def _gather_edges(x: DNDarray, summarise: bool) -> np.ndarray[Any, Any] | None:
    """The elements to print, on rank 0."""
    part = x.larray
    counts = None
    for axis, extent in enumerate(x.shape):
        positions = _shown(extent, summarise)
        if axis == x.split:
            counts = [_count(positions, *slab) for slab in zip(*x.counts_displs(), strict=True)]
            start, count = x.layout.offset(x.comm.rank), part.shape[axis]
            positions = [p - start for p in positions if start <= p < start + count]
        if len(positions) < part.shape[axis]:
            chosen = torch.tensor(positions, dtype=torch.int64, device=part.device)
            part = take_positions(part, axis, chosen)
    if counts is None or x.comm.size == 1:
        return to_numpy(part) if x.comm.rank == 0 else None
    assert x.split is not None
    gathered = x.comm.gatherv(part.movedim(x.split, 0).contiguous(), counts, root=0)
    return None if gathered is None else to_numpy(gathered.movedim(0, x.split))


def _count(positions: list[int], count: int, start: int) -> int:
    return sum(start <= position < start + count for position in positions)


def _format(content: np.ndarray[Any, Any], indent: str, *, summarise: bool) -> str:
    options = _state.options
    formatter = {}
    if options.sci_mode:
        formatter["float_kind"] = lambda value: f"{value:.{options.precision}e}"
    return np.array2string(
        content,
        precision=options.precision,
        threshold=0 if summarise else content.size,
        edgeitems=options.edgeitems,
        max_line_width=options.linewidth,
        suppress_small=options.sci_mode is False or None,
        separator=", ",
        prefix=indent,
        formatter=formatter or None,  # type: ignore[arg-type]
    )
