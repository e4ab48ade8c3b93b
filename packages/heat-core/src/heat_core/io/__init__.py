"""Files."""

from heat_core.io.csv import load_csv
from heat_core.io.csv_writer import load_csv_from_folder, save_csv
from heat_core.io.dispatch import load, save
from heat_core.io.hdf5 import load_hdf5, save_hdf5, supports_hdf5
from heat_core.io.npy import load_npy, load_npy_from_path, load_npz, save_npy
from heat_core.io.sharded import load_sharded, save_sharded

__all__ = [
    "load",
    "load_csv",
    "load_csv_from_folder",
    "load_hdf5",
    "load_npy",
    "load_npy_from_path",
    "load_npz",
    "load_sharded",
    "save",
    "save_csv",
    "save_hdf5",
    "save_npy",
    "save_sharded",
    "supports_hdf5",
]
