"""Where the errors of the last visits are kept, a row for each sample."""

from f3.stores.base import ErrorStore
from f3.stores.dense import DenseStore, ScalarStore
from f3.stores.hashed import HashStore

__all__ = ["DenseStore", "ErrorStore", "HashStore", "ScalarStore"]
