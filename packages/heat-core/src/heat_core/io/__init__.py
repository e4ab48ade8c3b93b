"""Files."""

from heat_core.io.backends import (
    supports_hdf5,
    supports_netcdf,
    supports_pandas,
    supports_parquet,
    supports_zarr,
)
from heat_core.io.csv import load_csv, load_csv_from_folder
from heat_core.io.csv_writer import save_csv
from heat_core.io.dispatch import load, save
from heat_core.io.hdf5 import load_hdf5, load_multiple_hdf5, save_hdf5
from heat_core.io.netcdf import load_netcdf, save_netcdf
from heat_core.io.npy import load_npy, load_npy_from_path, load_npz, save_npy
from heat_core.io.parquet import load_parquet
from heat_core.io.sharded import load_sharded, save_sharded
from heat_core.io.zarr import load_zarr, save_zarr

__all__ = [
    "load",
    "load_csv",
    "load_csv_from_folder",
    "load_hdf5",
    "load_multiple_hdf5",
    "load_netcdf",
    "load_npy",
    "load_npy_from_path",
    "load_npz",
    "load_parquet",
    "load_sharded",
    "load_zarr",
    "save",
    "save_csv",
    "save_hdf5",
    "save_netcdf",
    "save_npy",
    "save_sharded",
    "save_zarr",
    "supports_hdf5",
    "supports_netcdf",
    "supports_pandas",
    "supports_parquet",
    "supports_zarr",
]
