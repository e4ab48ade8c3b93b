"""Data for comparisons: scikit-learn's, idx files, and CSV files."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

__all__ = ["Samples", "load", "read_idx"]


@dataclass(frozen=True)
class Samples:
    """Training and test samples.

    Attributes
    ----------
    name : str
    x, test_x : Tensor, (n, n_inputs)
        Standardised by the mean and deviation of the training samples as a whole.
    rows, test_rows : Tensor, (n, C)
        One-hot, or standardised targets.
    regression : bool
    """

    name: str
    x: Tensor
    rows: Tensor
    test_x: Tensor
    test_rows: Tensor
    regression: bool

    def split(self, share: float) -> Samples:
        """Training samples parted into training and validation, the same way each time."""
        order = torch.randperm(len(self.x), generator=torch.Generator().manual_seed(0))
        held = max(1, round(share * len(self.x)))
        a, b = order[held:], order[:held]
        return Samples(self.name, self.x[a], self.rows[a], self.x[b], self.rows[b], self.regression)


def load(name: str, folder: Path | None = None) -> Samples:
    """Samples by name.

    Parameters
    ----------
    name : str
        "digits", "diabetes" or "wine" of scikit-learn; a folder with the four files of MNIST or
        Fashion-MNIST (idx, maybe gzipped); or a CSV file whose last column is the target, a number.
    folder : Path, optional
        Where a relative name is looked for.

    Raises
    ------
    FileNotFoundError
        If there are no such data.
    """
    if name in {"digits", "diabetes", "wine"}:
        from sklearn import datasets

        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        return _parted(name, x, y, regression=name == "diabetes")
    path = (folder or Path()) / name
    if path.is_dir():
        return _images(path)
    if path.is_file():
        rows = np.genfromtxt(path, delimiter=",", skip_header=1)
        return _parted(path.stem, rows[:, :-1], rows[:, -1], regression=True)
    raise FileNotFoundError(
        f"{name!r} is neither digits, diabetes or wine, nor a folder of idx files, nor a CSV file"
    )


def _parted(name: str, x: np.ndarray, y: np.ndarray, *, regression: bool) -> Samples:
    """Three quarters for training."""
    order = np.random.default_rng(0).permutation(len(x))
    train, test = np.split(order, [3 * len(x) // 4])
    centre, deviation = x[train].mean(0), x[train].std(0)
    x = (x - centre) / np.where(deviation > 0, deviation, 1)
    rows = (y[:, None] - y[train].mean()) / y[train].std() if regression else np.eye(y.max() + 1)[y]
    parts = (torch.tensor(part, dtype=torch.float32) for part in (x, rows))
    a, b = parts
    return Samples(name, a[train], b[train], a[test], b[test], regression)


def _images(folder: Path) -> Samples:
    kinds = ("images-idx3", "labels-idx1")
    parts = {
        part: [read_idx(_one_of(folder, f"{part}-{kind}-ubyte*")) for kind in kinds]
        for part in ("train", "t10k")
    }
    images = {part: torch.tensor(p[0].copy()).flatten(1).float() for part, p in parts.items()}
    centre, deviation = images["train"].mean(), images["train"].std()
    x, test_x = ((images[part] - centre) / deviation for part in ("train", "t10k"))
    rows, test_rows = (
        torch.nn.functional.one_hot(torch.tensor(parts[part][1].copy()).long()).float()
        for part in ("train", "t10k")
    )
    return Samples(folder.name, x, rows, test_x, test_rows, regression=False)


def _one_of(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise FileNotFoundError(f"{folder} has no file {pattern}")
    return found[0]


def read_idx(file: Path) -> np.ndarray:
    """The bytes of an idx file, which may be gzipped, in their shape."""
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as handle:
        raw = handle.read()
    axes = raw[3]
    shape = np.frombuffer(raw, ">u4", axes, 4).astype(int)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)
