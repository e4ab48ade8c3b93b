"""Figures of what happened; all need matplotlib, ``pip install "lowrank[plot]"``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lowrank.linalg import thin_svd
from lowrank.nn.factored import Factored
from lowrank.parallel.ledger import Ledger
from lowrank.views import view_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["over_steps", "ranks", "spectra", "stability", "traffic"]


def ranks(history: Sequence[Mapping[str, Any]]) -> Figure:
    """A heat map of layers and updates: the rank as a share of the full one.

    Parameters
    ----------
    history : sequence of dict
        ``controller.history``.
    """
    return over_steps(
        [{**record, "share": record["rank"] / record["max_rank"]} for record in history],
        "share",
        "rank / full rank",
    )


def stability(history: Sequence[Mapping[str, Any]]) -> Figure:
    """A heat map of layers and updates: `lowrank.stability` between probes."""
    return over_steps([r for r in history if r.get("stability") is not None], "stability")


def over_steps(history: Sequence[Mapping[str, Any]], key: str, label: str = "") -> Figure:
    """A heat map of one quantity in a history, over layers and steps."""
    if not history:
        raise ValueError(f"no record has {key!r}: was there any update?")
    layers = list(dict.fromkeys(record["layer"] for record in history))
    steps = sorted({record["step"] for record in history})
    table = torch.full((len(layers), len(steps)), torch.nan)
    for record in history:
        table[layers.index(record["layer"]), steps.index(record["step"])] = float(record[key])
    for column in range(1, len(steps)):  # what was not touched is as before
        table[:, column] = torch.where(
            table[:, column].isnan(), table[:, column - 1], table[:, column]
        )
    figure, axes = _figure(height=1.5 + 0.25 * len(layers))
    image = axes.imshow(table.numpy(), aspect="auto", vmin=0, vmax=1, interpolation="nearest")
    axes.set_yticks(range(len(layers)), layers)
    shown = range(0, len(steps), max(1, len(steps) // 8))
    axes.set_xticks(shown, [str(steps[i]) for i in shown])
    axes.set_xlabel("step")
    figure.colorbar(image, label=label or key)
    return figure


def spectra(model: nn.Module) -> Figure:
    """Singular values of all layers, as shares of the largest, over their place in the row."""
    figure, axes = _figure()
    for name, module in model.named_modules():
        view = module.view if isinstance(module, Factored) else view_of(module)
        if view is None:
            continue
        weight: Any = module.weight
        s = thin_svd(view.matrix(weight.detach())).s.reshape(-1, view.max_rank)[0]
        place = torch.arange(len(s)) / len(s)
        axes.semilogy(place.numpy(), (s / s[0]).clamp_min(1e-6).cpu().numpy(), label=name)
    axes.set(xlabel="place / full rank", ylabel="singular value / largest", ylim=(1e-4, 1.5))
    axes.legend(fontsize=8)
    return figure


def traffic(ledger: Ledger) -> Figure:
    """Megabytes on the wire by phase."""
    phases = list(dict.fromkeys(phase for phase, _, _ in ledger.entries))
    figure, axes = _figure(height=1.2 + 0.3 * len(phases))
    axes.barh(phases, [ledger.total("ring", phase) / 1e6 for phase in phases])
    axes.set_xlabel("MB of one rank, with a ring")
    return figure


def _figure(height: float = 3.5) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, height), layout="constrained")
    return figure, figure.subplots()
