"""Fashion-MNIST and the network that the benchmarks of lowrank train on it."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

FOLDER = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
IMAGES = 30_000


@dataclass(frozen=True)
class Data:
    """Images of 784 numbers around 0, and labels."""

    x: torch.Tensor
    y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor


def read(name: str) -> torch.Tensor:
    """An idx file as a tensor of bytes."""
    with gzip.open(FOLDER / name) as file:
        raw = file.read()
    axes = raw[3]
    shape = np.frombuffer(raw, ">u4", axes, offset=4)
    array = np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape.astype(int))
    return torch.tensor(array)


def load(images: int = IMAGES) -> Data:
    """The first images of the training set, and the whole test set."""
    x, test_x = (
        (read(f"{part}-images-idx3-ubyte.gz").flatten(1).float() / 255 - 0.2860) / 0.3530
        for part in ("train", "t10k")
    )
    y, test_y = (read(f"{part}-labels-idx1-ubyte.gz").long() for part in ("train", "t10k"))
    return Data(x[:images], y[:images], test_x, test_y)


def mlp() -> nn.Sequential:
    """784-256-256-256-10."""
    hidden = [m for n in (784, 256, 256) for m in (nn.Linear(n, 256), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(256, 10))


def accuracy(model: nn.Module, data: Data) -> float:
    """Percent of the test images that are told right."""
    with torch.no_grad():
        parts = data.test_x.split(2000)
        found = torch.cat([model.eval()(x).argmax(1) for x in parts])
    return 100 * float((found == data.test_y).float().mean())
