"""A part of an array in NumPy's file format, read from a stream without the rest.

A file that is mapped into memory would do, too, but counts every page that it has touched: a slab
of columns would seem to need the memory of the whole file. A stream also reads archives.
"""

from __future__ import annotations

import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

__all__ = ["NpyStream", "opened_archive", "opened_npy"]

BROKEN = (zipfile.BadZipFile, zlib.error)
ENCRYPTED = 1  # bit of a member's flags

_BLOCK_BYTES = 8 << 20


@contextmanager
def opened_npy(path: str | os.PathLike[str]) -> Iterator[NpyStream]:
    """The array of a ``.npy`` file."""
    with Path(path).open("rb") as file:
        yield NpyStream(file, os.fstat(file.fileno()).st_size)


@contextmanager
def opened_archive(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    """A ``.npz`` file; whatever is wrong with it is a ValueError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any(info.flag_bits & ENCRYPTED for info in archive.infolist()):
                raise ValueError(f"{path} is encrypted, or damaged")
            yield archive
    except (EOFError, KeyError, NotImplementedError, *BROKEN) as error:
        raise ValueError(f"{path} is damaged, or no archive of arrays: {error}") from error


class NpyStream:
    """The array whose file starts at the position of a stream.

    Parameters
    ----------
    stream : binary file
        Seekable.
    size : int, optional
        Bytes of the stream, if known: then a header that promises more is refused at once.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype

    Raises
    ------
    ValueError
        If it is no such file, ends too early, or its elements are Python objects.
    """

    def __init__(self, stream: IO[bytes], size: int | None = None) -> None:
        version = npy_format.read_magic(stream)
        read = npy_format.read_array_header_1_0
        if version > (1, 0):
            read = npy_format.read_array_header_2_0
        try:
            self.shape, self._is_transposed, self.dtype = read(stream)
        except (SyntaxError, TypeError, tokenize.TokenError) as error:
            raise ValueError(f"the file's header is damaged: {error}") from error
        if self.dtype.hasobject or not self.dtype.itemsize:
            raise ValueError(f"arrays of {self.dtype} are not read")
        self._stream, self._start = stream, stream.tell()
        if size is not None and self._start + self.dtype.itemsize * math.prod(self.shape) > size:
            raise ValueError(f"the file ends before its array of shape {self.shape} does")

    def __getitem__(self, key: Sequence[slice]) -> np.ndarray[Any, Any]:
        """The part between two positions of each axis."""
        shape = self.shape
        parts = [slice(*part.indices(n)) for part, n in zip(key, shape, strict=True)]
        if self._is_transposed:
            shape, parts = shape[::-1], parts[::-1]
        out = np.empty([part.stop - part.start for part in parts], self.dtype)
        self._stream.seek(self._start)
        if out.size:
            # The part of an array without axes is that of its only row.
            _fill(self._stream, out[None], [slice(0, 1), *parts], (1, *shape))
        return out.T if self._is_transposed else out


def _fill(
    stream: IO[bytes], out: np.ndarray[Any, Any], key: list[slice], shape: tuple[int, ...]
) -> None:
    """Read the part ``key`` of the array at the stream's position; leave the stream at its end."""
    rows, *rest = key
    row_bytes = out.itemsize * math.prod(shape[1:])
    stream.seek(rows.start * row_bytes, os.SEEK_CUR)
    at_once = max(1, _BLOCK_BYTES // row_bytes)
    if out.shape[1:] == shape[1:]:
        _read(stream, out)
    elif row_bytes > _BLOCK_BYTES:
        for row in out:
            _fill(stream, row, rest, shape[1:])
    else:
        buffer = np.empty((min(at_once, len(out)), *shape[1:]), out.dtype)
        for start in range(0, len(out), at_once):
            block = buffer[: len(out) - start]
            _read(stream, block)
            out[start : start + at_once] = block[(slice(None), *rest)]
    stream.seek((shape[0] - rows.stop) * row_bytes, os.SEEK_CUR)


def _read(stream: IO[bytes], out: np.ndarray[Any, Any]) -> None:
    """Fill contiguous memory from the stream."""
    target = out.reshape(-1).view(np.uint8)
    for start in range(0, target.size, _BLOCK_BYTES):
        block = stream.read(min(_BLOCK_BYTES, target.size - start))
        if len(block) < min(_BLOCK_BYTES, target.size - start):
            raise ValueError("the file ends before the array does")
        target[start : start + len(block)] = np.frombuffer(block, np.uint8)
