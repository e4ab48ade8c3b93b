"""Sparse matrices that come from no data: the identity, and random ones."""

from __future__ import annotations

from typing import Any, Literal

import torch

from heat_core.array.axes import normalize_split
from heat_core.comm import sanitize_comm
from heat_core.devices import sanitize_device
from heat_core.dtypes import canonical_heat_type
from heat_core.layout import canonical_layout
from heat_core.random import Generator, default_rng
from heat_core.sparse.coordinates import compressed, routed
from heat_core.sparse.matrix import Compressed, DCSC_matrix, DCSR_matrix

__all__ = ["KINDS", "eye", "random"]

KINDS: dict[str, type[Compressed]] = {"csr": DCSR_matrix, "csc": DCSC_matrix}


def kind_of(format: str, split: int | None) -> type[Compressed]:
    """The class of a format; ValueError if it has another name, or cannot be split like this."""
    if format not in KINDS:
        raise ValueError(f"format is one of {', '.join(KINDS)}, not {format!r}")
    kind = KINDS[format]
    if normalize_split(split, 2) not in (None, kind.major):
        raise ValueError(f"a {format} matrix is split along axis {kind.major}, not {split}")
    return kind


def eye(
    m: int,
    n: int | None = None,
    k: int = 0,
    dtype: object = "float32",
    format: Literal["csr", "csc"] = "csr",
    *,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> Any:
    """Ones on a diagonal. Local.

    Parameters
    ----------
    m, n : int
        Rows and columns; ``n`` is ``m`` by default.
    k : int
        The diagonal, above the main one if positive.
    dtype : data type
    format : {"csr", "csc"}
        Compressed rows or columns.
    split : int or None
        0 for compressed rows, 1 for compressed columns, or not at all.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Returns
    -------
    DCSR_matrix or DCSC_matrix, (m, n)
    """
    kind, comm = kind_of(format, split), sanitize_comm(comm)
    shape = (m, m if n is None else n)
    layout = canonical_layout(shape, None if split is None else kind.major, comm.size)
    where = sanitize_device(device, comm).torch_device
    shift = k if kind.major == 0 else -k  # from a place along the major to one along the minor axis
    major = torch.arange(layout.lshape(comm.rank)[kind.major], device=where)
    minor = major + layout.offset(comm.rank) + shift
    inside = (minor >= 0) & (minor < shape[1 - kind.major])
    ones = torch.ones(int(inside.sum()), dtype=canonical_heat_type(dtype).torch, device=where)
    return compressed(kind, major[inside], minor[inside], ones, layout, comm)


def random(
    m: int,
    n: int,
    density: float = 0.01,
    format: Literal["csr", "csc"] = "csr",
    dtype: object = "float32",
    *,
    random_state: int | Generator | None = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> Any:
    """Numbers of [0, 1) at random places. Collective if distributed: one exchange.

    The same seed gives the same matrix on any number of ranks.

    Parameters
    ----------
    m, n : int
        Rows and columns.
    density : float
        Share of the places that are taken, each as probable as any other.
    format, split, device, comm
        As for ``eye``.
    dtype : data type
        Floating.
    random_state : int, Generator or None

    Returns
    -------
    DCSR_matrix or DCSC_matrix, (m, n)
        With ``round(density * m * n)`` elements.
    """
    kind, comm = kind_of(format, split), sanitize_comm(comm)
    if not 0 <= density <= 1:
        raise ValueError(f"density is a share, from 0 to 1, not {density}")
    axis = None if split is None else 0
    where = {"split": axis, "device": device, "comm": comm}
    rng, number = default_rng(random_state), round(density * m * n)
    data = rng.random((number,), dtype, **where).larray
    layout = canonical_layout((m, n), None if split is None else kind.major, comm.size)
    places = data.new_empty(0, dtype=torch.int64)
    if number:
        places = rng.choice(m * n, number, replace=False, **where).larray
    coordinates = (places // max(n, 1), places % max(n, 1))
    major, minor = coordinates[kind.major], coordinates[1 - kind.major]
    if layout.split is not None and comm.size > 1:
        major, minor, data = routed(comm, layout, major, [major, minor, data])
    return compressed(kind, major - layout.offset(comm.rank), minor, data, layout, comm)
