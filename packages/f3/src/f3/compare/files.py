"""Files of well-known data sets as arrays: idx, CIFAR batches, image folders, and CSV files."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "Arrays",
    "Found",
    "find",
    "read_cifar",
    "read_idx",
    "read_idx_images",
    "read_image_folder",
    "read_sgemm",
    "read_wine_quality",
]

WINE_QUALITY = ("winequality-red.csv", "winequality-white.csv")
SGEMM = "sgemm_product.csv"
#: what of a pickle the files of CIFAR need; anything else in one is refused
HARMLESS = {
    (module, name)
    for module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("ndarray", "dtype", "_reconstruct")
} | {("_codecs", "encode")}
IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm"}


@dataclass(frozen=True)
class Arrays:
    """Training and test samples as they are in the files.

    Attributes
    ----------
    x, test_x : ndarray, (n, n_inputs)
    y, test_y : ndarray, (n,)
        Class numbers, or the targets of a regression.
    """

    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


@dataclass(frozen=True)
class Found:
    """A file of a known data set: which set, the file, its size in bytes, and its SHA-256."""

    kind: str
    file: Path
    size: int
    sha256: str


def find(folder: Path) -> list[Found]:
    """The files of known data sets in a folder and all below it, with checksums."""
    patterns = {
        "idx": "*-ubyte*",
        "cifar": "*_batch*",
        "wine-quality": "winequality-*.csv",
        "sgemm": SGEMM,
    }
    return [
        Found(kind, file, file.stat().st_size, _sha256(file))
        for kind, pattern in patterns.items()
        for file in sorted(folder.rglob(pattern))
        if file.is_file()
    ]


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_idx(file: Path) -> np.ndarray:
    """The bytes of an idx file, which may be gzipped, in their shape.

    Raises
    ------
    ValueError
        If it is not such a file, or is cut off.
    """
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as handle:
        raw = handle.read()
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise ValueError(f"{file} is not an idx file of bytes")
    axes = raw[3]
    start = 4 + 4 * axes
    shape = np.frombuffer(raw[4:start], ">u4").astype(int)
    if len(shape) != axes or len(raw) != start + shape.prod():
        raise ValueError(f"{file} is cut off, or has more than its shape {tuple(shape)} says")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def read_idx_images(folder: Path) -> Arrays:
    """The four files of MNIST, Fashion-MNIST and the like."""
    parts = []
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            found = sorted(folder.glob(f"{part}-{kind}-ubyte*"))
            if not found:
                raise FileNotFoundError(f"{folder} has no file {part}-{kind}-ubyte")
            parts.append(read_idx(found[0]))
    x, y, test_x, test_y = parts
    return Arrays(x.reshape(len(x), -1), y, test_x.reshape(len(test_x), -1), test_y)


class _CifarPickle(pickle.Unpickler):
    """Builds arrays and nothing else, so that a file can't run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in HARMLESS:
            raise ValueError(f"a file of CIFAR has no use for {module}.{name}: not read")
        return super().find_class(module, name)


def read_cifar(folder: Path) -> Arrays:
    """The "python version" of CIFAR-10: data_batch_1 to data_batch_5 (as many as there are)."""

    def read(file: Path) -> tuple[np.ndarray, np.ndarray]:
        batch = _CifarPickle(io.BytesIO(file.read_bytes()), encoding="bytes").load()
        return np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])

    batches = [read(file) for file in sorted(folder.glob("data_batch_*"))]
    if not batches or not (folder / "test_batch").is_file():
        raise FileNotFoundError(f"{folder} has no files data_batch_1 and test_batch")
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return Arrays(x, y, *read(folder / "test_batch"))


def read_image_folder(folder: Path) -> Arrays:
    """Images in train/CLASS/ and test/CLASS/, all of one size (needs Pillow)."""
    from PIL import Image

    classes = sorted(path.name for path in (folder / "train").iterdir() if path.is_dir())
    parts: list[np.ndarray] = []
    for part in ("train", "test"):
        pictures, numbers = [], []
        for number, name in enumerate(classes):
            for file in sorted((folder / part / name).iterdir()):
                if file.suffix.lower() in IMAGES:
                    pictures.append(np.asarray(Image.open(file)).reshape(-1))
                    numbers.append(number)
        if len({picture.size for picture in pictures}) != 1:
            raise ValueError(f"{folder / part} needs images, all of one size")
        parts += [np.stack(pictures), np.array(numbers)]
    return Arrays(*parts)


def read_wine_quality(folder: Path, *, unique: bool = False) -> Arrays:
    """Red and white wines with a flag for the colour, a fifth of them for the test.

    Parameters
    ----------
    folder : Path
        With winequality-red.csv and winequality-white.csv.
    unique : bool
        Without the rows that occur a second time (1,177 of 6,497), which else are in both parts.
    """
    both = []
    for flag, name in enumerate(WINE_QUALITY):
        rows = np.genfromtxt(folder / name, delimiter=";", skip_header=1)
        both.append(np.column_stack([np.full(len(rows), flag), rows]))
    rows = np.concatenate(both)
    if unique:
        rows = rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]
    train, test = _fifth(rows)
    return Arrays(train[:, :-1], train[:, -1], test[:, :-1], test[:, -1])


def read_sgemm(folder: Path) -> Arrays:
    """The SGEMM kernel times: each of the four runs of a setting is a sample of its own."""
    rows = np.genfromtxt(folder / SGEMM, delimiter=",", skip_header=1)
    parts: list[np.ndarray] = []
    for part in _fifth(rows):
        parts += [np.repeat(part[:, :-4], 4, 0), part[:, -4:].reshape(-1)]
    return Arrays(*parts)


def _fifth(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Training rows, and a fifth for the test, parted as in the reference experiments."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(rows, test_size=0.2, random_state=1)
    return train, test
