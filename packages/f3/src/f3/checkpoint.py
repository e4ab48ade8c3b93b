"""States of a learner, and files of them that survive a crash while they are written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from f3.sources import DelayedError

if TYPE_CHECKING:
    from f3.learner import Learner

__all__ = ["load", "load_folder", "restore", "save", "state_of", "write"]


def state_of(learner: Learner) -> dict[str, Any]:
    """Blocks with their optimisers and feedback, errors, progress, and random numbers.

    Noise inside the blocks depends on seed, block and step, and needs no state of its own.
    """
    has_errors = not isinstance(learner.source, DelayedError) or learner.source.has_store
    return {
        "blocks": {block.number: block.state_dict() for block in learner.blocks},
        "source": learner.source.state_dict() if has_errors else None,
        "progress": {"epoch": learner.epoch, "batch": learner.batch, "steps": learner.steps},
        "scheduler": None if learner.scheduler is None else learner.scheduler.state_dict(),
        "rng": torch.get_rng_state(),
    }


def restore(learner: Learner, state: dict[str, Any]) -> None:
    """Bring a learner of the same settings into a state.

    Raises
    ------
    ValueError
        If the state is of a model with other blocks.
    """
    if set(state["blocks"]) != {block.number for block in learner.blocks}:
        raise ValueError(
            f"the state has {len(state['blocks'])} blocks, the model {len(learner.blocks)}: build "
            "the learner as it was when the state was saved"
        )
    for block in learner.blocks:
        block.load_state_dict(state["blocks"][block.number])
    if state["source"] is not None:
        learner.source.load_state_dict(state["source"])
    if learner.has_optimizer:
        learner.optimizer.refresh()
    if learner.scheduler is not None and state["scheduler"] is not None:
        learner.scheduler.load_state_dict(state["scheduler"])
    progress = state["progress"]
    learner.epoch, learner.batch = progress["epoch"], progress["batch"]
    learner.steps = progress["steps"]
    torch.set_rng_state(state["rng"])


def save(path: str | os.PathLike[str], learner: Learner) -> None:
    """Write the state of a learner; a crash while writing leaves an older file as it was."""
    write(Path(path), learner.state_dict())


def load(path: str | os.PathLike[str], learner: Learner) -> None:
    """Bring a learner of the same settings into the state of a file, or of a pipeline's folder."""
    if Path(path).is_dir():
        load_folder(path, learner)
        return
    device = learner.head.parameters[0].device
    learner.load_state_dict(torch.load(path, map_location=device, weights_only=True))


def write(path: Path, state: dict[str, Any]) -> None:
    """Write, then rename."""
    part = path.with_name(f"{path.name}.part")
    torch.save(state, part)
    part.replace(path)


def load_folder(folder: str | os.PathLike[str], learner: Learner) -> None:
    """Bring a learner into the state of a pipeline's checkpoint, whatever its number of ranks.

    For a pipeline of any other number of ranks, and for one process. Collective only in that all
    ranks have to do it, before they go on.

    Raises
    ------
    FileNotFoundError
        If there is no complete checkpoint.
    """
    root = Path(folder)
    index = root / "index.json"
    if not index.exists():
        raise FileNotFoundError(f"{root} holds no complete checkpoint: there is no index.json")
    states = [
        torch.load(root / name, weights_only=True)
        for name in json.loads(index.read_text())["files"]
    ]
    whole = states[-1]
    whole["blocks"] = {n: block for state in states for n, block in state["blocks"].items()}
    learner.load_state_dict(whole)
