"""Data for comparisons: scikit-learn's, well-known files, and CSV files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from f3.compare.files import (
    Arrays,
    read_cifar,
    read_idx_images,
    read_image_folder,
    read_sgemm,
    read_wine_quality,
)

__all__ = ["Samples", "load", "standardised"]

BUNDLED = ("digits", "diabetes", "wine")
#: sets of several files in one folder
IN_FOLDERS: dict[str, Callable[[Path], Arrays]] = {
    "wine-quality": read_wine_quality,
    "wine-quality-unique": lambda folder: read_wine_quality(folder, unique=True),
    "sgemm": read_sgemm,
}


@dataclass(frozen=True)
class Samples:
    """Training and test samples.

    Attributes
    ----------
    name : str
    x, test_x : Tensor, (n, n_inputs)
        Standardised by the training samples: each column, or for images all pixels as a whole.
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

    def first(self, n: int) -> Samples:
        """With the first n training samples only."""
        return replace(self, x=self.x[:n], rows=self.rows[:n])

    def to(self, device: torch.device | str) -> Samples:
        """On a device."""
        tensors = ("x", "rows", "test_x", "test_rows")
        return replace(self, **{name: getattr(self, name).to(device) for name in tensors})


def load(name: str, folder: Path | None = None) -> Samples:
    """Samples by name.

    Parameters
    ----------
    name : str
        "digits", "diabetes" or "wine" of scikit-learn; "wine-quality", "wine-quality-unique" or
        "sgemm", whose files lie in `folder`; a folder with the four files of MNIST or
        Fashion-MNIST (idx, maybe gzipped), with the python batches of CIFAR-10, or with images in
        train/CLASS and test/CLASS; or a CSV file whose last column is the target, a number.
    folder : Path, optional
        Where the files, or a relative name, are looked for; by default the working directory.

    Raises
    ------
    FileNotFoundError
        If there are no such data.
    ValueError
        If a file is damaged.
    """
    folder = folder or Path()
    path = folder / name
    if name in BUNDLED:
        from sklearn import datasets

        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        kind = {"regression": name == "diabetes", "images": name == "digits"}
        return standardised(name, _three_quarters(x, y), **kind)
    if name in IN_FOLDERS:
        return standardised(name, IN_FOLDERS[name](folder), regression=True)
    if path.is_dir():
        return standardised(path.name, _images(path), regression=False, images=True)
    if path.is_file():
        table = np.genfromtxt(path, delimiter=",", skip_header=1)
        return standardised(
            path.stem, _three_quarters(table[:, :-1], table[:, -1]), regression=True
        )
    known = ", ".join([*BUNDLED, *IN_FOLDERS])
    raise FileNotFoundError(
        f"{name!r} is none of {known}, nor a folder of images, nor a CSV file in {folder.resolve()}"
    )


def standardised(name: str, arrays: Arrays, *, regression: bool, images: bool = False) -> Samples:
    """Samples with mean zero and deviation one in training, and targets as rows.

    Parameters
    ----------
    name : str
    arrays : Arrays
    regression : bool
        Targets are standardised; else they are class numbers and become one-hot rows.
    images : bool
        One mean and deviation for all pixels.
    """
    axis, dtype = (None, np.float32) if images else (0, np.float64)
    centre, deviation = arrays.x.mean(axis).astype(dtype), arrays.x.std(axis).astype(dtype)
    deviation = np.where(deviation > 0, deviation, dtype(1))
    inputs = [
        torch.tensor((part.astype(dtype) - centre) / deviation, dtype=torch.float32)
        for part in (arrays.x, arrays.test_x)
    ]
    if regression:
        mean, spread = arrays.y.mean(), arrays.y.std()
        targets = [(part[:, None] - mean) / spread for part in (arrays.y, arrays.test_y)]
    else:
        classes = np.eye(int(max(arrays.y.max(), arrays.test_y.max())) + 1)
        targets = [classes[part.astype(int)] for part in (arrays.y, arrays.test_y)]
    rows = [torch.tensor(part, dtype=torch.float32) for part in targets]
    return Samples(name, inputs[0], rows[0], inputs[1], rows[1], regression)


def _images(folder: Path) -> Arrays:
    if (folder / "test_batch").exists():
        return read_cifar(folder)
    if (folder / "train").is_dir():
        return read_image_folder(folder)
    return read_idx_images(folder)


def _three_quarters(x: np.ndarray, y: np.ndarray) -> Arrays:
    """Three quarters for training."""
    order = np.random.default_rng(0).permutation(len(x))
    train, test = np.split(order, [3 * len(x) // 4])
    return Arrays(x[train], y[train], x[test], y[test])
