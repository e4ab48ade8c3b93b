"""`Propulator`: a search whose workers share one population."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from propulate.islands import Islands, Propagators
from propulate.pruners.base import Pruner
from propulate.space import SearchSpace

__all__ = ["Propulator"]


class Propulator(Islands):
    """A search whose workers share one population: `Islands` with a single island.

    The parameters are those of the original, by name; see `Islands` and `Settings` for the rest.
    """

    def __init__(
        self,
        loss_fn: Callable[..., Any],
        propagator: Propagators | None = None,
        rng: Any = None,
        island_idx: int = 0,
        island_comm: Any = None,
        propulate_comm: Any = None,
        worker_sub_comm: Any = None,
        generations: int = -1,
        checkpoint_path: str | Path | None = "./",
        *,
        surrogate_factory: Callable[[], Pruner] | None = None,
        limits: SearchSpace | Mapping[str, Any] | None = None,
        comm: Any = None,
        **settings: Any,
    ) -> None:
        if worker_sub_comm is not None and worker_sub_comm.Get_size() > 1:
            raise ValueError("a worker is one rank; give island_comm, and no worker_sub_comm")
        if island_idx:
            raise ValueError("use Islands for more than one island")
        super().__init__(
            loss_fn,
            propagator,
            rng,
            generations,
            checkpoint_path=checkpoint_path,
            surrogate_factory=surrogate_factory,
            limits=limits,
            comm=comm or island_comm or propulate_comm,
            **settings,
        )
