"""Files."""

from pathlib import Path
from typing import Any

import numpy as np

from cases.case import Case, Data, File, M


def _write_hdf5(path: Path, array: np.ndarray[Any, Any]) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["x"] = array


def _read_hdf5(*args: Any) -> Any:
    import h5py

    with h5py.File(args[1]) as file:
        return file["x"][:]


def _save_hdf5(*args: Any) -> None:
    _write_hdf5(args[2], args[1])


def _write_csv(path: Path, array: np.ndarray[Any, Any]) -> None:
    import pandas as pd

    pd.DataFrame(array).to_csv(path, header=False, index=False)


def _read_csv(*args: Any) -> Any:
    import pandas as pd

    return pd.read_csv(args[1], header=None, dtype="float32").to_numpy()


_LONG, _TABLE = File("long.h5", Data((2 * M, 18)), _write_hdf5), Data((M, 18))
_CSV = File("table.csv", Data((50_000, 18)), _write_csv)

CASES = (
    Case(
        "hdf5_load_2Mx18",
        (_LONG,),
        lambda xp, path: xp.load_hdf5(str(path), "x", split=0),
        {"numpy": _read_hdf5, "torch": None, "dask": None},
    ),
    Case(
        "hdf5_save_1Mx18",
        (_TABLE, File("saved.h5")),
        lambda xp, x, path: xp.save_hdf5(x, str(path), "x"),
        {"numpy": _save_hdf5, "torch": None, "dask": None},
    ),
    Case(
        "csv_load_50kx18",
        (_CSV,),
        lambda xp, path: xp.load_csv(str(path), split=0),
        {"numpy": _read_csv, "torch": None, "dask": None},
    ),
)
