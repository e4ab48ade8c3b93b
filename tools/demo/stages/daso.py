"""Train a small network on two emulated nodes, which average in the background."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tools.demo.figures import COLOURS, figure, to_svg
from tools.demo.stage import Checked, Context, Plot, Row, Stage

__all__ = ["DASO"]

EPOCHS, BATCH, STEPS, MOST_NODES = 5, 16, 16, 2


@dataclass(frozen=True)
class _Found:
    """What the training gave, on rank 0."""

    vector: Tensor
    accuracy: float
    losses: list[float]
    n_nodes: int
    ranks: int
    merged: int
    overlap: float


class DASO(Stage):
    """Two nodes, each with half of the ranks, against the serial reference."""

    name = "nodes"
    shows = "digits learned on two emulated nodes, averaged in the background"
    package = "daso"

    def run(self, context: Context) -> _Found:
        """Train for a few epochs: blocking, cycling, blocking."""
        import daso
        from daso.transport.mpi import mpi_transport

        rank, size = context.comm.rank, context.comm.size
        topology = daso.Topology.from_table(rank, _nodes(size))
        model = _network()
        opt = daso.DASO(
            torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9),
            model,
            config=_config(),
            transport=mpi_transport(topology),
        )
        losses = []
        for epoch in range(EPOCHS):
            total = 0.0
            for step in range(STEPS):
                opt.zero_grad()
                loss = _loss(opt.module, _batch(epoch * STEPS + step, rank))
                loss.backward()
                opt.step()
                total += loss.item() / STEPS
            mean = opt.epoch_end(total)
            losses.append(total if mean is None else mean)
        opt.finish()
        x, y = _data()[1]
        with torch.no_grad():
            accuracy = float((model(x).argmax(1) == y).float().mean())
        stats = opt.stats
        return _Found(
            _vector(model), accuracy, losses, topology.n_nodes, size, stats.merged, stats.overlap
        )

    def check(self, context: Context, found: _Found) -> Checked:  # noqa: ARG002
        """Train all ranks one after the other, with the same schedule, and plain."""
        from daso.reference import simulate

        labels = _nodes(found.ranks)
        nodes = [[r for r in range(found.ranks) if labels[r] == n] for n in range(found.n_nodes)]
        steps = [[[_batch(s, r) for r in ranks] for ranks in nodes] for s in range(EPOCHS * STEPS)]
        rows = []
        if len({len(ranks) for ranks in nodes}) == 1:
            serial = simulate(
                _network(), _optimizer, _loss, steps, _config(), steps_per_epoch=STEPS
            )
            difference = float((_vector(serial.model) - found.vector).abs().max())
            shown = f"{found.vector.numel()} weights"
            rows.append(
                Row("weights after training", shown, "one process", shown, difference, 1e-4)
            )
        plain = _synchronous(found.ranks)
        x, y = _data()[1]
        with torch.no_grad():
            expected = float((plain(x).argmax(1) == y).float().mean())
        gap = max(0.0, expected - found.accuracy)
        rows.append(
            Row(
                "test accuracy",
                f"{100 * found.accuracy:.1f} %",
                "synchronous training",
                f"{100 * expected:.1f} %",
                gap,
                0.03,
            )
        )
        remark = (
            f"{found.merged} merges of {found.n_nodes} nodes, {100 * found.overlap:.0f} % hidden"
        )
        return Checked(tuple(rows), (_plot(found),), remark)


def _nodes(size: int) -> list[int]:
    """The node of each rank: the first half, and the others."""
    return [rank * MOST_NODES // max(size, MOST_NODES) for rank in range(size)]


def _config() -> Any:
    import daso

    return daso.DASOConfig(
        total_epochs=EPOCHS,
        warmup_epochs=1,
        cooldown_epochs=1,
        batches_to_wait=2,
        on_fatal="raise",  # the demo ends the job itself
    )


def _network() -> nn.Module:
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.15, 0.15, generator=generator)
    return model


def _optimizer(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9)


def _loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


@functools.cache
def _data() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Digits to train on, and to test with."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images).float() / 8 - 1, torch.tensor(labels).long()
    return (x[:1400], y[:1400]), (x[1400:], y[1400:])


def _batch(step: int, rank: int) -> tuple[Tensor, Tensor]:
    """The images of one rank in one step."""
    x, y = _data()[0]
    generator = torch.Generator().manual_seed(1000 * step + rank)
    part = torch.randint(len(x), (BATCH,), generator=generator)
    return x[part], y[part]


def _synchronous(ranks: int) -> nn.Module:
    """Plain training on the batches of all ranks."""
    model = _network()
    optimizer = _optimizer(list(model.parameters()))
    for step in range(EPOCHS * STEPS):
        optimizer.zero_grad()
        for rank in range(ranks):
            (_loss(model, _batch(step, rank)) / ranks).backward()
        optimizer.step()
    return model


def _vector(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def _plot(found: _Found) -> Plot:
    drawn, (axes,) = figure()
    axes.plot(range(1, EPOCHS + 1), found.losses, "-o", color=COLOURS[0])
    axes.axvspan(1.5, EPOCHS - 0.5, color=COLOURS[2], alpha=0.12, lw=0)
    axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    caption = "Loss of each epoch; in the shaded ones the nodes don't wait for each other."
    return Plot(to_svg(drawn, "daso"), caption)
