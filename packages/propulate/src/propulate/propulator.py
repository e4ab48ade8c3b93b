"""`Propulator`: a search whose workers share one population."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from propulate.islands import Islands, Propagators
from propulate.propagators.base import Propagator
from propulate.propagators.select import SelectMin
from propulate.pruners.base import Pruner
from propulate.space import SearchSpace

__all__ = ["Propulator"]


class Propulator(Islands):
    """A search whose workers share one population: `Islands` with a single island.

    The parameters are those of the original, in their order; see `Islands` and `Settings` for the
    rest. Those about islands are there for scripts that pass them.
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
        migration_topology: Any = None,
        migration_prob: float = 0.0,
        emigration_propagator: Callable[[int], Propagator] = SelectMin,
        island_displs: Any = None,  # noqa: ARG002 - the original's signature
        island_counts: Any = None,
        surrogate_factory: Callable[[], Pruner] | None = None,
        *,
        limits: SearchSpace | Mapping[str, Any] | None = None,
        comm: Any = None,
        **settings: Any,
    ) -> None:
        if island_idx or (island_counts is not None and len(island_counts) > 1):
            raise ValueError("this is a search with one island: use Islands for more of them")
        if worker_sub_comm is not None and worker_sub_comm.Get_size() == 1:
            worker_sub_comm = None
        super().__init__(
            loss_fn,
            propagator,
            rng,
            generations,
            migration_topology=migration_topology,
            migration_probability=migration_prob,
            emigration_propagator=emigration_propagator,
            checkpoint_path=checkpoint_path,
            surrogate_factory=surrogate_factory,
            limits=limits,
            comm=comm or island_comm or propulate_comm,
            worker_sub_comm=worker_sub_comm,
            **settings,
        )
