"""How large a model is in low rank: layer by layer, and in three ratios that differ."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from lowrank.costs import Form, multiply_adds, stored, trainable
from lowrank.nn.factored import Factored
from lowrank.tracing import run_once
from lowrank.views import MatrixView, view_of

__all__ = ["LayerReport", "Report", "report"]


@dataclass(frozen=True)
class LayerReport:
    """One weight.

    Attributes
    ----------
    name, kind : str
    shape : tuple of int
        Of the dense weight.
    form : {"dense", "usv", "ab"}
    rank, max_rank : int
    trainable, stored, dense : int
        Numbers that are trained, kept, and that the dense weight would have.
    export : int
        Numbers after folding to two factors, or to the dense weight where that is smaller.
    flops_forward, flops_training, flops_dense : int
        Per sample, if one was given, else 0: forward; forward and backward; and the latter of the
        dense layer.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    form: Form
    rank: int
    max_rank: int
    trainable: int
    stored: int
    dense: int
    export: int
    flops_forward: int
    flops_training: int
    flops_dense: int


@dataclass(frozen=True)
class Report:
    """The account of a model.

    Attributes
    ----------
    layers : tuple of LayerReport
        Linear layers and convolutions, factored or not.
    other : int
        Parameters beside them: biases, norms, embeddings.
    """

    layers: tuple[LayerReport, ...]
    other: int

    @property
    def dense(self) -> int:
        """Parameters of the dense model."""
        return sum(x.dense for x in self.layers) + self.other

    @property
    def trainable_percent(self) -> float:
        """Parameters that an optimiser changes, in percent of the dense model's."""
        return 100 * (sum(x.trainable for x in self.layers) + self.other) / self.dense

    @property
    def stored_percent(self) -> float:
        """Numbers that a checkpoint of the training has, frozen bases included, in percent."""
        return 100 * (sum(x.stored for x in self.layers) + self.other) / self.dense

    @property
    def export_percent(self) -> float:
        """Numbers that a deployed model needs, in percent."""
        return 100 * (sum(x.export for x in self.layers) + self.other) / self.dense

    @property
    def flops_percent(self) -> float:
        """Floating-point operations of a training step in these layers, in percent."""
        dense = sum(x.flops_dense for x in self.layers)
        return 100 * sum(x.flops_training for x in self.layers) / dense if dense else 100.0

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "layers": [asdict(layer) for layer in self.layers],
            "other": self.other,
            "trainable_percent": self.trainable_percent,
            "stored_percent": self.stored_percent,
            "export_percent": self.export_percent,
            "flops_percent": self.flops_percent,
        }

    def to_csv(self) -> str:
        """A line for each layer, with a header."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(LayerReport.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(layer) for layer in self.layers)
        return text.getvalue()

    def table(self) -> str:
        """A table for people."""
        head = ("layer", "kind", "shape", "form", "rank", "trainable", "stored", "export")
        rows = [head]
        rows += [
            (
                x.name, x.kind, "x".join(map(str, x.shape)), x.form, f"{x.rank}/{x.max_rank}",
                f"{x.trainable:,}", f"{x.stored:,}", f"{x.export:,}",
            )
            for x in self.layers
        ]  # fmt: skip
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in rows]
        totals = (
            f"of the {self.dense:,} parameters of the dense model: "
            f"trainable {self.trainable_percent:.2f} %, stored {self.stored_percent:.2f} %, "
            f"exported {self.export_percent:.2f} %"
        )
        return "\n".join([*(line.rstrip() for line in lines), totals])


def report(model: nn.Module, sample: Any = None) -> Report:
    """Account for a model's parameters.

    Parameters
    ----------
    model : nn.Module
    sample : Tensor or tuple, optional
        An input of one sample (a batch of 1), to count floating-point operations.
    """
    rows = {} if sample is None else _rows_per_sample(model, sample)
    seen: set[int] = set()
    layers = []
    counted = 0
    for name, module in model.named_modules():
        found = _describe(module)
        if found is None:
            continue
        view, form, rank, weights = found
        counted += sum(p.numel() for p in weights if id(p) not in seen)
        fresh = any(id(p) not in seen for p in weights)
        seen |= {id(p) for p in weights}
        if fresh:
            layers.append(_layer(name, module, view, form, rank, rows.get(name, 0)))
    other = sum(p.numel() for p in model.parameters()) - counted
    return Report(tuple(layers), other)


def _describe(
    module: nn.Module,
) -> tuple[MatrixView, Form, int, list[nn.Parameter]] | None:
    if isinstance(module, Factored):
        names = ("S",) if module.form == "usv" else ("A", "B")
        return module.view, module.form, module.rank, [getattr(module, name) for name in names]
    view = view_of(module)
    weight = module._parameters.get("weight")
    if view is None or weight is None:
        return None
    return view, "dense", view.max_rank, [weight]


def _layer(
    name: str, module: nn.Module, view: MatrixView, form: Form, rank: int, rows: int
) -> LayerReport:
    return LayerReport(
        name=name,
        kind=type(module).__name__.removeprefix("Factored"),
        shape=view.shape,
        form=form,
        rank=rank,
        max_rank=view.max_rank,
        trainable=trainable(view, form, rank),
        stored=stored(view, form, rank),
        dense=view.numel,
        export=min(stored(view, "ab", rank), view.numel),
        flops_forward=2 * rows * stored(view, form, rank),
        flops_training=2 * rows * multiply_adds(view, form, rank),
        flops_dense=2 * rows * multiply_adds(view, "dense", rank),
    )


def _rows_per_sample(model: nn.Module, sample: Any) -> dict[str, int]:
    """For each layer, the rows of input (positions of a convolution) of one sample."""
    rows: dict[str, int] = {}

    def count(name: str, module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        view = module.view if isinstance(module, Factored) else view_of(module)
        if view is None:
            return
        channels = view.rows * view.groups
        size = inputs[0].numel() // view.shape[0] if view.transposed else output.numel() // channels
        rows[name] = rows.get(name, 0) + size

    watched = {n: m for n, m in model.named_modules() if _describe(m) is not None}
    run_once(model, sample, watched, count)
    return rows
