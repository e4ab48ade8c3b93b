"""The original's classes: a search with one island, and one of several islands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from propulate.islands import Islands, Propagators
from propulate.propagators.base import Propagator
from propulate.propagators.select import SelectMin
from propulate.pruners.base import Pruner
from propulate.space import SearchSpace

__all__ = ["Migrator", "Pollinator", "Propulator"]

_FIRST = 12  # arguments of a Pollinator before the one that others have not


class Propulator(Islands):
    """A search whose workers share one population: `Islands` with a single island.

    The parameters are those of the original, in their order; see `Islands` and `Settings` for the
    rest. Scripts that build islands themselves give `island_counts`, the workers of each island,
    and `propulate_comm`, all of them.
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
        several = island_counts is not None and len(island_counts) > 1
        if island_idx and not several:
            raise ValueError(f"there is no island {island_idx}: give island_counts, or use Islands")
        if worker_sub_comm is not None and worker_sub_comm.Get_size() == 1:
            worker_sub_comm = None
        super().__init__(
            loss_fn,
            propagator,
            rng,
            generations,
            len(island_counts) if several else 1,
            island_counts if several else None,
            migration_topology=migration_topology,
            migration_probability=migration_prob,
            emigration_propagator=emigration_propagator,
            checkpoint_path=checkpoint_path,
            surrogate_factory=surrogate_factory,
            limits=limits,
            comm=comm or (propulate_comm if several else island_comm or propulate_comm),
            worker_sub_comm=worker_sub_comm,
            **settings,
        )


class Migrator(Propulator):
    """One island of several, which exchange individuals; takes the arguments of `Propulator`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"pollination": False} | kwargs)


class Pollinator(Propulator):
    """One island of several, which exchange copies.

    Takes the arguments of `Propulator`, and after `emigration_propagator` who is displaced.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        first, displaced, rest = args[:_FIRST], args[_FIRST : _FIRST + 1], args[_FIRST + 1 :]
        named = dict(zip(["immigration_propagator"], displaced, strict=False))
        super().__init__(*first, *rest, **named | kwargs)
