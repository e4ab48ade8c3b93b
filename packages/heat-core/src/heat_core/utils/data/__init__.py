"""Samples that are read as they are needed."""

from heat_core.utils.data.windows import hdf5_shape, hdf5_windows

__all__ = ["hdf5_shape", "hdf5_windows"]
