"""A run that was stopped at any step goes on in another process as if nothing had happened.

Run as a script, ``python FILE CHECKPOINT METHOD...``, it is that other process.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

import lowrank

STEPS = 48
METHODS = {
    "oialr": lambda model, optimizer: lowrank.OIALR(
        model,
        optimizer,
        lowrank.OIALRConfig(
            total_steps=STEPS, delay=0.2, frequency=5, cutoff=0.4, layer_fraction=0.4, fold_at=0.7
        ),
    ),
    "ab": lambda model, optimizer: lowrank.ABTraining(
        model, optimizer, lowrank.ABConfig(total_steps=STEPS, period=9, cutoff=0.2, min_rank=1)
    ),
    "dlrt": lambda model, optimizer: lowrank.DLRT(
        model, optimizer, lowrank.DLRTConfig(total_steps=STEPS, frequency=4, tolerance=0.2)
    ),
}


class Run:
    """A dense model, an optimiser, a scheduler and a controller, all fresh."""

    def __init__(self, method: str, seed: int) -> None:
        torch.manual_seed(seed)
        self.model = nn.Sequential(
            nn.Conv1d(4, 12, 3, padding=1, groups=2), nn.BatchNorm1d(12), nn.Flatten(),
            nn.Linear(96, 24), nn.GELU(), nn.Dropout(0.2), nn.Linear(24, 24), nn.Linear(24, 3),
        )  # fmt: skip
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 3e-3)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, STEPS)
        self.controller = METHODS[method](self.model, self.optimizer)

    def train(self, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            generator = torch.Generator().manual_seed(self.controller.t)
            x = torch.randn(16, 4, 8, generator=generator)
            self.optimizer.zero_grad()
            loss = (self.model(x) - x[:, :3, 0]).square().mean()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            losses.append(loss.item())
        return losses

    def save(self, path: Path) -> None:
        rest = {"schedule": self.schedule.state_dict(), "random": torch.get_rng_state()}
        lowrank.save(path, self.model, self.optimizer, self.controller, **rest)

    def load(self, path: Path) -> None:
        rest = lowrank.load(path, self.model, self.optimizer, self.controller)
        self.schedule.load_state_dict(rest["schedule"])
        torch.set_rng_state(rest["random"])


def go_on(folder: Path) -> dict[str, list[float]]:
    """Load each method's run into fresh objects, and train to the end."""
    losses = {}
    for method in METHODS:
        run = Run(method, seed=1)
        run.load(folder / f"{method}.pt")
        losses[method] = run.train(STEPS - run.controller.t)
    return losses


def test_a_new_process_goes_on_bit_for_bit(tmp_path: Path) -> None:
    draw = random.Random(8)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    expected = {}
    for method in METHODS:
        run = Run(method, seed=0)
        run.train(draw.randrange(10, STEPS - 5))
        run.save(tmp_path / f"{method}.pt")
        expected[method] = run.train(STEPS - run.controller.t)
    torch.set_num_threads(threads)
    command = [sys.executable, __file__, str(tmp_path)]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=50).stdout
    assert json.loads(found) == expected
    assert all(len(losses) >= 5 for losses in expected.values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(go_on(Path(sys.argv[1]))))
