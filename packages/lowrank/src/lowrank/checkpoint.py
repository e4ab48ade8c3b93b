"""Save and load a run: model, optimiser and controller, in the order that makes shapes fit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lowrank.controller import Controller

__all__ = ["load", "save"]


def save(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    controller: Controller,
    **extra: Any,
) -> None:
    """Write a checkpoint; a crash while writing leaves an older one as it was.

    Parameters
    ----------
    path : path
    model, optimizer, controller
    **extra
        Further states, such as ``scheduler=scheduler.state_dict()``: numbers, strings, lists,
        dicts and tensors.
    """
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "controller": controller.state_dict(),
        "extra": extra,
    }
    part = Path(path).with_name(f"{Path(path).name}.part")
    torch.save(state, part)
    part.replace(path)


def load(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    controller: Controller,
    *,
    map_location: Any = None,
) -> dict[str, Any]:
    """Read a checkpoint into a freshly built model, optimiser and controller.

    The model may be dense and the ranks unknown: the controller gives it the saved ones first.

    Returns
    -------
    dict
        What was given to `save` as extra.

    Raises
    ------
    ValueError
        If the file is no checkpoint of `save`, or of another model.
    """
    state = torch.load(path, map_location=map_location, weights_only=True)
    if not isinstance(state, dict) or not {"model", "optimizer", "controller"} <= set(state):
        raise ValueError(f"{os.fspath(path)} was not written by lowrank.save")
    controller.load_state_dict(state["controller"])
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    extra: dict[str, Any] = state["extra"]
    return extra
