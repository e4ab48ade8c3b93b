"""What can go wrong, by kind."""

from __future__ import annotations

import lzma
import tokenize
import zipfile
import zlib

__all__ = ["DAMAGE", "DataError", "ModelFileError", "NotEnoughDataError", "NotFittedError"]

#: What the readers of archives and arrays raise for files that are damaged, or something else.
DAMAGE = (
    EOFError, KeyError, RuntimeError, SyntaxError, TypeError, ValueError,
    lzma.LZMAError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class DataError(ValueError):
    """The data cannot be read as regular time series; the message says where and what to do."""


class NotEnoughDataError(DataError):
    """There are fewer steps than the model needs."""


class NotFittedError(ValueError, AttributeError):
    """The forecaster has to be fitted first."""


class ModelFileError(ValueError):
    """A model file is damaged, or was written by a newer version."""
