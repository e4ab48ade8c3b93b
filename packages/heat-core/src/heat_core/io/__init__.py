"""Files."""

from heat_core.io.csv import load_csv
from heat_core.io.dispatch import load, save
from heat_core.io.hdf5 import load_hdf5, save_hdf5, supports_hdf5

__all__ = ["load", "load_csv", "load_hdf5", "save", "save_hdf5", "supports_hdf5"]
