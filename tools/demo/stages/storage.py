"""Write the series to an HDF5 file and read it back, split another way."""

from __future__ import annotations

from typing import Any

import numpy as np

import heat_core as ht
from tools.demo.errors import user_errors
from tools.demo.stage import Checked, Context, Row, Stage

__all__ = ["Storage"]

FILE, DATASET = "hourly.h5", "celsius"


class Storage(Stage):
    """HDF5 round trips, against h5py."""

    name = "storage"
    shows = "HDF5 written by all ranks, read back along the other axis, resplit without a file"

    def run(self, context: Context) -> tuple[float, np.ndarray[Any, Any]]:
        """Write and read; the largest difference, and on rank 0 what is in memory."""
        hourly, path = context.hourly, context.output / FILE
        with user_errors():
            ht.save_hdf5(hourly, path, DATASET)
            columns = ht.load_hdf5(path, DATASET, split=1, comm=context.comm)
        difference = ht.max(ht.abs(columns - ht.resplit(hourly, 1))).item()
        return float(difference), hourly.numpy(root=0)

    def check(self, context: Context, found: tuple[float, np.ndarray[Any, Any]]) -> Checked:
        """Read the file with h5py."""
        import h5py

        difference, hourly = found
        path = context.output / FILE
        with h5py.File(path) as file:
            stored = np.asarray(file[DATASET])
        shape = " x ".join(map(str, hourly.shape))
        rows = (
            Row("written by rows, read by columns", shape, "resplit", shape, difference),
            Row(
                f"{FILE}: {DATASET}",
                shape,
                "h5py",
                f"{' x '.join(map(str, stored.shape))}",
                float(np.abs(stored - hourly).max()),
            ),
        )
        return Checked(rows, remark=f"{path.name}: {path.stat().st_size / 1e3:.0f} kB.")
