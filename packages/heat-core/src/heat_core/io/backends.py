"""The libraries behind the file formats: optional, and imported where they are used."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

__all__ = [
    "require",
    "supports_hdf5",
    "supports_netcdf",
    "supports_pandas",
    "supports_parquet",
    "supports_zarr",
]

# module: what it reads, and the extra that installs it
_BACKENDS = {
    "h5py": ("HDF5 files", "hdf5"),
    "netCDF4": ("NetCDF files", "netcdf"),
    "pyarrow": ("Parquet files", "parquet"),
    "zarr": ("Zarr stores", "zarr"),
}


def require(module: str) -> Any:
    """The library; ImportError that names the extra if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        what, extra = _BACKENDS[module.partition(".")[0]]
        raise ImportError(
            f"{what} need {module}: pip install 'heat-core[{extra}]' ({error})"
        ) from error


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def supports_hdf5() -> bool:
    """Whether h5py is installed. Local."""
    return _is_installed("h5py")


def supports_netcdf() -> bool:
    """Whether netCDF4 is installed. Local."""
    return _is_installed("netCDF4")


def supports_zarr() -> bool:
    """Whether zarr is installed. Local."""
    return _is_installed("zarr")


def supports_parquet() -> bool:
    """Whether pyarrow is installed. Local."""
    return _is_installed("pyarrow")


def supports_pandas() -> bool:
    """Whether pandas is installed. Local. Nothing here needs it."""
    return _is_installed("pandas")
