"""Variables of NetCDF files, each rank reading and writing its slab."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import to_numpy
from heat_core.io.backends import require
from heat_core.io.slabs import PathLike, Slices, placement, ranges_of, read_slab, slab_key
from mpi_utils import collective

__all__ = ["load_netcdf", "save_netcdf"]

_MODES = ("w", "a", "r+")
_KINDS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")


@contextmanager
def _opened(path: PathLike, variable: str) -> Iterator[_Variable]:
    with require("netCDF4").Dataset(path, "r") as file:
        yield _Variable(_find(file, variable))


class _Variable:
    """A variable whose missing values are NaN, or what stands in the file if it has none."""

    def __init__(self, variable: Any) -> None:
        self._variable = variable
        self.shape, self.dtype = tuple(variable.shape), variable.dtype

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray[Any, Any]:
        block = self._variable[key or ...]
        if not isinstance(block, np.ma.MaskedArray):
            return np.asarray(block)
        if block.mask.any() and block.dtype.kind == "f":
            block.data[block.mask] = np.nan
        return np.asarray(block.data)


def _find(file: Any, variable: str) -> Any:
    try:
        return file[variable]
    except IndexError as error:
        raise KeyError(f"the file has no variable {variable!r}") from error


def load_netcdf(
    path: PathLike,
    variable: str,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    *,
    slices: Slices = None,
) -> DNDarray:
    """Read a variable of a NetCDF file. Collective; each rank reads its slab only.

    Packed values are unpacked (``scale_factor``, ``add_offset``). Missing values of floating-point
    variables become NaN; those of integers stay as they are in the file.

    Parameters
    ----------
    path : str or path
    variable : str
        Name of the variable, with those of its groups: ``"group/name"``.
    dtype : data type, optional
        Default: that of the variable.
    split : int or None
        The distributed axis of the result.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    slices : tuple of slice or None, optional
        The part to read, by axis; None: all of an axis. Steps are positive.

    Raises
    ------
    OSError, KeyError
        On all ranks, if there is no such file or variable.
    """
    place = placement(dtype, split, device, comm)
    with collective(place.comm), _opened(path, variable) as source:
        return read_slab(source, place, slices)


def save_netcdf(
    data: DNDarray,
    path: PathLike,
    variable: str,
    mode: str = "w",
    dimension_names: Sequence[str] | str | None = None,
    is_unlimited: bool = False,
    file_slices: Slices = None,
    **create_options: Any,
) -> None:
    """Write an array as a variable of a NetCDF-4 file, or as a part of one. Collective.

    The ranks write their slabs one after another; a replicated array is written by rank 0.

    Parameters
    ----------
    data : DNDarray
        Integers, float32 or float64.
    path : str or path
    variable : str
        Name of the variable. One that the file has is written into, otherwise it is made.
    mode : {"w", "a", "r+"}
        Replace the file, add to it or create it, add to it.
    dimension_names : str or sequence of str, optional
        One for each axis; those that the file has are used, the others are made. Default:
        ``"{variable}_dim_{axis}"``.
    is_unlimited : bool
        Whether dimensions that are made can grow.
    file_slices : slice or tuple of slice or None, optional
        Where in the variable the array is written; along unlimited dimensions it may reach beyond
        the end. Default: everywhere.
    **create_options
        For ``netCDF4.Dataset.createVariable``, such as ``zlib`` and ``fill_value``.

    Raises
    ------
    ValueError
        On all ranks, if the array does not fit ``file_slices`` or the variable.
    """
    if mode not in _MODES:
        raise ValueError(f"mode is one of {', '.join(_MODES)}, not {mode!r}")
    kind = data.dtype.numpy
    if kind is None or kind.str[1:] not in _KINDS:
        raise TypeError(f"NetCDF has no {data.dtype.name}: cast the array first")
    names = _dimension_names(dimension_names, variable, data.ndim)
    comm = data.comm
    with collective(comm):
        netcdf = require("netCDF4")
        if comm.rank == 0:
            with netcdf.Dataset(path, mode, format="NETCDF4") as file:
                if variable not in file.variables:
                    _make_dimensions(file, names, data.shape, is_unlimited, file_slices)
                    file.createVariable(variable, kind, names, **create_options)
                _region(file[variable], data.shape, file_slices)
    for writer in range(comm.size if data.is_distributed() else 1):
        # The file is closed between turns: only one rank may have it open to write.
        with collective(comm):
            if comm.rank == writer and data.lnumel:
                with netcdf.Dataset(path, "r+") as file:
                    target = file[variable]
                    region = _region(target, data.shape, file_slices)
                    key = slab_key(region, data.layout.slices(writer))
                    target[key or ...] = to_numpy(data.larray)


def _dimension_names(
    given: Sequence[str] | str | None, variable: str, ndim: int
) -> tuple[str, ...]:
    if given is None:
        return tuple(f"{variable}_dim_{axis}" for axis in range(ndim))
    names = (given,) if isinstance(given, str) else tuple(given)
    if len(names) != ndim:
        raise ValueError(f"{len(names)} dimension names for an array with {ndim} axes")
    return names


def _make_dimensions(
    file: Any,
    names: tuple[str, ...],
    shape: tuple[int, ...],
    is_unlimited: bool,
    slices: Slices,
) -> None:
    """Make the dimensions that the file lacks, as long as the region needs them."""
    for name, (extent, needed) in zip(names, _needed(shape, slices), strict=True):
        if name not in file.dimensions:
            file.createDimension(name, None if is_unlimited else max(extent, needed))


def _needed(shape: tuple[int, ...], slices: Slices) -> list[tuple[int, int]]:
    """Extent of each axis, and of the dimension that holds its region."""
    given = [slices] if isinstance(slices, slice) else list(slices or ())
    given += [None] * (len(shape) - len(given))
    return [
        (extent, 0 if part is None or part.stop is None or part.stop < 0 else part.stop)
        for extent, part in zip(shape, given, strict=True)
    ]


def _region(target: Any, shape: tuple[int, ...], slices: Slices) -> list[range]:
    """The positions of the variable that the array takes."""
    if len(target.shape) != len(shape):
        raise ValueError(f"the variable has {len(target.shape)} axes, the array {len(shape)}")
    grown = [
        max(length, extent, needed) if dimension.isunlimited() else length
        for length, dimension, (extent, needed) in zip(
            target.shape, target.get_dims(), _needed(shape, slices), strict=True
        )
    ]
    region = ranges_of(slices, tuple(grown))
    if tuple(map(len, region)) != shape:
        raise ValueError(
            f"an array of shape {shape} does not fit the part "
            f"{tuple(map(len, region))} of a variable of shape {tuple(target.shape)}"
        )
    return region
