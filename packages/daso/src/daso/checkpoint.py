"""Two kinds of checkpoints: one a rank, for exact resumption; one of the mean, for any ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daso.optimizer import DASO

__all__ = ["consensus_state", "load", "rank_state"]

FORMAT = 1


def rank_state(opt: DASO, *, drain: bool) -> dict[str, Any]:
    """Everything of this rank."""
    if not drain and opt.in_flight:
        raise RuntimeError("a synchronisation is under way: use drain=True")
    return {
        "kind": "rank",
        **_shared_state(opt),
        "sync": opt._sync.state_dict(),
        "settings": opt.config.fingerprint(operational=False),
        "rank": opt.topology.rank,
        "node_of": list(opt.topology.node_of),
    }


def consensus_state(opt: DASO) -> dict[str, Any]:
    """What is the same on all ranks after all have been made equal."""
    return {"kind": "consensus", **_shared_state(opt)}


def _shared_state(opt: DASO) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "model": {name: t.clone() for name, t in opt.unwrapped.state_dict().items()},
        "optimizer": opt.inner.state_dict(),
        "schedule": opt.schedule.state_dict(),
    }


def load(opt: DASO, state: dict[str, Any]) -> None:
    """Restore either kind.

    Raises
    ------
    ValueError
        If it is of another format, or if a rank's state is from another place, number of ranks or
        configuration.
    """
    if state.get("format") != FORMAT or state.get("kind") not in ("rank", "consensus"):
        raise ValueError("this is no state of daso.DASO in a format that this version knows")
    is_rank = state["kind"] == "rank"
    if is_rank:
        _check_place(opt, state)
    opt.unwrapped.load_state_dict(state["model"])
    opt.inner.load_state_dict(state["optimizer"])
    opt.schedule.load_state_dict(state["schedule"])
    if is_rank:
        opt._sync.load_state_dict(state["sync"])
    else:
        opt._sync.start_anew()
    opt._gradients.prepare(opt.schedule.action())


def _check_place(opt: DASO, state: dict[str, Any]) -> None:
    here = (opt.topology.rank, list(opt.topology.node_of))
    there = (state["rank"], state["node_of"])
    if here != there:
        raise ValueError(
            f"the state is of rank {there[0]} on nodes {there[1]}, this is rank {here[0]} on nodes "
            f"{here[1]}: load a consensus_state_dict() to go on with other ranks"
        )
    if state["settings"] != opt.config.fingerprint(operational=False):
        raise ValueError("the state was taken with another configuration; see opt.config")
