"""A classifier of handwritten digits, trained on all ranks, whose ranks fall on the way."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

import lowrank
from lowrank.report import Report
from mpi_utils import traffic
from tools.demo.figures import COLOURS, figure, to_svg
from tools.demo.stage import Checked, Context, Plot, Row, Stage

__all__ = ["LowRank"]

WIDTH, STEPS, BATCH, TRAINED = 160, 280, 96, 1300
EPOCHS = STEPS * BATCH // TRAINED


@dataclass(frozen=True)
class _Found:
    """The plain model after training, and what was recorded on the way."""

    model: nn.Sequential
    report: Report
    history: list[dict[str, Any]]
    spread: float
    ledger_bytes: float
    mpi_bytes: int


class LowRank(Stage):
    """OIALR with data-parallel gradients, against scikit-learn's network and NumPy."""

    name = "compression"
    shows = "a network that is compressed while it is trained on all ranks"
    package = "lowrank"

    def run(self, context: Context) -> _Found:
        """Each rank takes its part of every batch; gradients are averaged."""
        comm = context.comm
        x, y = _digits()
        torch.manual_seed(1)
        layers = [m for n in (64, WIDTH, WIDTH) for m in (nn.Linear(n, WIDTH), nn.ReLU())]
        model = nn.Sequential(*layers, nn.Linear(WIDTH, 10))
        optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
        with traffic(comm) as sent:
            averager = lowrank.GradientAverager(model, optimizer, comm)
            config = lowrank.OIALRConfig(total_steps=STEPS, cutoff=0.3, layer_fraction=1.0)
            controller = lowrank.OIALR(model, optimizer, config, comm=comm)
            generator = torch.Generator().manual_seed(2)
            for _ in range(STEPS):
                batch = torch.randint(0, TRAINED, (BATCH,), generator=generator)
                mine = batch.tensor_split(comm.size)[comm.rank]
                weight = comm.size * len(mine) / BATCH  # parts may differ in size
                optimizer.zero_grad()
                (weight * nn.functional.cross_entropy(model(x[mine]), y[mine])).backward()
                optimizer.step()
            on_wire = sent.bytes()
        assert controller.comm is not None
        counted = averager.ledger.total("sent") + controller.comm.ledger.total("sent")
        plain = lowrank.to_sequential(model)
        assert isinstance(plain, nn.Sequential)
        weights = torch.cat([p.detach().flatten() for p in plain.parameters()])
        spread = float((comm.allreduce(weights, "max") - comm.allreduce(weights, "min")).max())
        account = lowrank.report(model)
        return _Found(plain, account, controller.history, spread, counted, on_wire)

    def check(self, context: Context, found: _Found) -> Checked:  # noqa: ARG002
        """The same task in scikit-learn; the exported layers in NumPy."""
        from sklearn.neural_network import MLPClassifier

        x, y = _digits()
        with torch.no_grad():
            logits = found.model(x[TRAINED:])
        ours = float((logits.argmax(1) == y[TRAINED:]).float().mean())
        peer = MLPClassifier(
            (WIDTH, WIDTH, WIDTH), batch_size=BATCH, max_iter=EPOCHS, n_iter_no_change=EPOCHS
        )
        with warnings.catch_warnings():  # that it could go on is no news
            warnings.simplefilter("ignore")
            peer.set_params(random_state=0).fit(x[:TRAINED].numpy(), y[:TRAINED].numpy())
        theirs = float(peer.score(x[TRAINED:].numpy(), y[TRAINED:].numpy()))
        by_hand = _in_numpy(found.model, x[TRAINED:].numpy())
        percent = found.report.export_percent
        rows = (
            Row(
                "accuracy on new digits",
                f"{100 * ours:.1f} % with {percent:.0f} % of the numbers",
                "scikit-learn, dense",
                f"{100 * theirs:.1f} %",
                max(0.0, theirs - ours),
                0.03,
            ),
            Row(
                "logits of the exported model",
                f"up to {logits.abs().max():.3f}",
                "NumPy",
                f"up to {np.abs(by_hand).max():.3f}",
                float(np.abs(by_hand - logits.numpy()).max()),
                1e-3,
            ),
            Row("weights of all ranks", "equal", "allreduce", "equal", found.spread),
            Row(
                "bytes sent by rank 0",
                f"{found.ledger_bytes:,.0f}",
                "counted at MPI",
                f"{found.mpi_bytes:,}",
                abs(found.ledger_bytes - found.mpi_bytes),
            ),
        )
        return Checked(rows, (_ranks(found.history),))


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)


def _in_numpy(model: nn.Module, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The plain model by matrix products in double precision."""
    x = x.astype(np.float64)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            x = x @ layer.weight.detach().double().numpy().T
            if layer.bias is not None:
                x = x + layer.bias.detach().double().numpy()
        elif isinstance(layer, nn.ReLU):
            x = np.maximum(x, 0)
    return x


def _ranks(history: list[dict[str, Any]]) -> Plot:
    drawn, (left, right) = figure(2)
    for index, name in enumerate(dict.fromkeys(record["layer"] for record in history)):
        records = [record for record in history if record["layer"] == name]
        steps = [record["step"] for record in records]
        share = [100 * record["rank"] / record["max_rank"] for record in records]
        kept = [100 * record["trainable"] / record["max_rank"] ** 2 for record in records]
        left.step(steps, share, where="post", color=COLOURS[index], label=f"layer {name}")
        right.step(steps, kept, where="post", color=COLOURS[index])
    left.set(xlabel="step", ylabel="rank, % of the full one", ylim=(0, 105))
    right.set(xlabel="step", ylabel="trained numbers, % of rank²", ylim=(0, None))
    left.legend(fontsize=8)
    caption = "Ranks of the layers fall after the dense phase, and with them what is trained."
    return Plot(to_svg(drawn, "lowrank"), caption)
