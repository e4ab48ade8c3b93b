"""A small vision transformer on digits, with errors at block outputs and at their layer norms.

Run on one process: ``python benchmarks/f3/transformer.py [--quick] [--json FILE]``. 16 tokens of 4
pixels, two pre-norm blocks of width 32, a dense layer of 256, ten outputs; Adam, 5e-4, batches of
50, 18 epochs. The split holds a quarter back; it is used once, after the last epoch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import f3
from f3.compare import make_learner


class Tokens(nn.Module):
    """8 x 8 pixels as 16 tokens of 2 x 2, embedded, with learned positions."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 32)
        self.position = nn.Parameter(0.1 * torch.randn(16, 32))

    def forward(self, x: Tensor) -> Tensor:
        """(n, 64) to (n, 16, 32)."""
        tokens = x.reshape(-1, 4, 2, 4, 2).transpose(2, 3).reshape(-1, 16, 4)
        return torch.tanh(self.embed(tokens) + self.position)


class Block(nn.Module):
    """Attention and a dense part, each with a layer norm before it and a connection around it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.dense = nn.Sequential(nn.Linear(32, 64), nn.Tanh(), nn.Linear(64, 32))

    def forward(self, x: Tensor) -> Tensor:
        """(n, 16, 32) to the same shape."""
        h = self.norm1(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        result: Tensor = x + self.dense(self.norm2(x))
        return result


def run(algorithm: str, tap: str, seed: int, epochs: int, data: list[Tensor]) -> float:
    """Accuracy after training, in percent."""
    x, test_x, t, test_t = data
    torch.manual_seed(seed)
    top = nn.Sequential(nn.Flatten(), nn.Linear(512, 256), nn.Tanh())
    model = f3.Sequential(Tokens(), Block(), Block(), top, nn.Linear(256, 10))
    learner = make_learner(
        algorithm,
        model,
        len(x),
        loss=nn.CrossEntropyLoss(),
        lr=5e-4,
        seed=seed,
        tap=["output", tap, tap, "output"],
    )
    learner.fit(f3.TensorBatches(x, t, 50, seed=seed), epochs)
    return 100 * float((learner.predict(test_x).argmax(1) == test_t).float().mean())


CASES = [
    ("bp", "output"),
    ("shallow", "output"),
    ("dfa", "output"),
    ("dfa", "layer_norm"),
    ("drtp", "output"),
    ("drtp", "layer_norm"),
    ("f3-onehot", "output"),
    ("f3-onehot", "layer_norm"),
    ("f3", "output"),
    ("f3", "layer_norm"),
    ("f3-damped", "layer_norm"),
]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x / 16, y, test_size=0.25, stratify=y, random_state=0)
    data = [torch.tensor(part).float() for part in parts[:2]]
    data += [torch.tensor(part) for part in parts[2:]]
    seeds, epochs = (1, 2) if options.quick else (options.seeds, 18)
    results = []
    for algorithm, tap in CASES:
        start = time.process_time()
        scores = [run(algorithm, tap, seed, epochs, data) for seed in range(seeds)]
        spread = statistics.stdev(scores) if seeds > 1 else float("nan")
        results.append({"algorithm": algorithm, "tap": tap, "accuracy": scores})
        print(
            f"{algorithm:10} {tap:10} {statistics.mean(scores):5.1f} ± {spread:4.1f} %"
            f"   {time.process_time() - start:.0f} s of CPU time",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
