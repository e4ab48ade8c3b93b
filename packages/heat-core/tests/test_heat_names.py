"""The names of the original HeAT, and functions about arrays, types and communicators.

``names/original.txt`` lists what the original offers in the parts that exist here;
``names/exceptions.txt`` what has another name (and which), what was internal, and what is left out
(and why). All others must exist under the same name.
"""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import heat_core as ht

NAMES = Path(__file__).parent / "names"
ORIGINAL = (NAMES / "original.txt").read_text().split()
EXCEPTIONS = {
    name: (kind, remark)
    for name, kind, remark in (
        line.split("\t") for line in (NAMES / "exceptions.txt").read_text().splitlines()
    )
}


def fitted() -> dict[str, object]:
    """Objects in place of the classes some of whose attributes come with ``fit``."""
    X = ht.array(np.random.default_rng(0).normal(size=(40, 3)))
    y = ht.array(np.arange(40) % 3)
    estimators = {
        "cluster": "KMeans KMedians KMedoids BatchParallelKMeans BatchParallelKMedians Spectral",
        "classification": "KNeighborsClassifier",
        "decomposition": "PCA IncrementalPCA DMD",
        "naive_bayes": "GaussianNB",
        "preprocessing": "MaxAbsScaler MinMaxScaler Normalizer RobustScaler StandardScaler",
        "regression": "Lasso",
    }
    parameters: dict[str, dict[str, Any]] = {
        "Spectral": {"n_clusters": 2, "reigh_rank": 5}, "PCA": {"n_components": 2},
        "IncrementalPCA": {"n_components": 2}, "DMD": {"svd_rank": 2},
    }  # fmt: skip
    found: dict[str, object] = {
        f"{area}.{name}": getattr(getattr(ht, area), name)(**parameters.get(name, {})).fit(X, y)
        for area, names in estimators.items()
        for name in names.split()
    }
    found["sparse.DCSR_matrix"] = ht.sparse.eye(3)
    found["sparse.DCSC_matrix"] = ht.sparse.eye(3, format="csc")
    return found


def find(name: str, fitted: dict[str, object]) -> object:
    """What stands under a name of the list."""
    area, _, rest = name.partition(".")
    owners = {
        "heat": ht, "DNDarray": ht.DNDarray, "Device": ht.cpu,
        "MPICommunication": ht.get_comm(), "MPIRequest": ht.MPIRequest,
    }  # fmt: skip
    owner, _, member = name.rpartition(".")
    if owner in fitted:
        return getattr(fitted[owner], member)
    return attrgetter(rest)(owners[area]) if area in owners else attrgetter(name)(ht)


def test_names_of_the_original() -> None:
    missing, objects = [], fitted()
    for name in ORIGINAL:
        try:
            find(name, objects)
        except AttributeError:
            missing.append(name)
    # The exceptions are these, and no more.
    assert missing == sorted(EXCEPTIONS)
    for kind, remark in EXCEPTIONS.values():
        assert kind in ("renamed", "internal", "moved", "left out") and remark
        if kind == "renamed":
            find(remark if remark.startswith("MPIRequest") else f"heat.{remark}", objects)
    # Arrays and their functions; and linear algebra, transforms, estimators and data tools.
    arrays = ("heat", "random", "DNDarray", "Device", "MPICommunication", "MPIRequest")
    for part in (True, False):
        names = [name for name in ORIGINAL if (name.partition(".")[0] in arrays) is part]
        kinds = [EXCEPTIONS.get(name, ("same", ""))[0] for name in names]
        assert kinds.count("left out") <= 0.03 * (len(names) - kinds.count("internal"))


def test_topics_of_the_original_hold_what_they_did() -> None:
    expected = """arithmetics.add arithmetics.cumsum arithmetics.nansum arithmetics.gcd
    arithmetics.bitwise_and arithmetics.diff communication.get_comm
    complex_math.angle exponential.sqrt exponential.log1p factories.linspace factories.from_dlpack
    factories.meshgrid logical.isclose logical.all manipulations.concatenate manipulations.topk
    manipulations.unique manipulations.resplit manipulations.pad manipulations.shape
    printing.set_printoptions relational.lt rounding.clip rounding.abs rounding.modf
    sanitation.sanitize_in statistics.percentile statistics.cov statistics.argmax
    statistics.histogram statistics.digitize statistics.maximum stride_tricks.broadcast_shapes
    stride_tricks.sanitize_axis trigonometrics.atan2 types.float32 types.promote_types
    types.issubdtype types.finfo"""
    for name in expected.split():
        assert attrgetter(name)(ht) is getattr(ht, name.split(".")[1]), name
    assert ht.dndarray.DNDarray is ht.DNDarray
    assert ht.manipulations is ht.manipulations
    for module in (ht.manipulations, ht.types, ht.statistics):
        public = [name for name in vars(module) if not name.startswith("_")]
        assert public and all(getattr(module, name) is getattr(ht, name) for name in public)
    with pytest.raises(AttributeError):
        ht.no_such_topic  # noqa: B018


@pytest.mark.parallel([1, 2, 3])
def test_methods_are_the_functions_and_in_place_ones_keep_the_layout(every_layout: Any) -> None:
    data = np.array([[3, -4], [5, 7], [-6, 2]])
    for name in ("add", "sub", "mul", "floor_divide", "mod", "fmod", "gcd", "lcm", "bitwise_and"):
        for x in map(ht.copy, every_layout(data)):
            layout, expected = x.layout, getattr(ht, name)(x, 3).tolist()
            assert getattr(x, f"{name}_")(3) is x
            assert (x.tolist(), x.layout, x.dtype) == (expected, layout, ht.int64)
    for x in map(ht.copy, every_layout(data * 1.0)):
        assert x.abs_().div_(2).pow_(2).neg_().copysign_(1).tolist() == (data**2 / 4).tolist()
        assert x.cumsum_(0).tolist() == np.cumsum(data**2 / 4, 0).tolist()
        x[0] = ht.nan
        assert x.nan_to_num_(1.5)[0].tolist() == [1.5, 1.5]
        with pytest.raises(TypeError, match="fit"):
            ht.arange(3).div_(2)
    assert ht.DNDarray.sum is ht.sum
    z = ht.array([[1 + 2j, 3]], split=0)
    assert (z.real.tolist(), z.imag.tolist()) == ([[1, 3]], [[2, 0]])
    assert z.H.tolist() == [[1 - 2j], [3]]


@pytest.mark.parallel([1, 2, 3])
def test_collect_and_local_access() -> None:
    comm = ht.get_comm()
    x = ht.arange(7, split=0)
    last = ht.collect(x, comm.size - 1)
    assert last.lnumel == (7 if comm.rank == comm.size - 1 else 0)
    assert last.tolist() == x.tolist() == list(range(7))
    assert x.copy().collect_().layout.counts[0] == 7
    x.lloc[:] = torch.full((x.lnumel,), comm.rank)
    assert (x.lloc[:] == comm.rank).all()
    for rank in (-1, comm.size):
        with pytest.raises(ValueError, match="not a rank"):
            x.collect(rank)
    with pytest.raises(TypeError):
        x.collect(1.5)
    assert x.cpu() is x


@pytest.mark.parallel([1, 2, 3])
def test_communicators_of_both_spellings() -> None:
    comm = ht.MPI_WORLD
    assert comm is ht.MPI_WORLD and ht.MPI_SELF.size == 1
    assert isinstance(comm, ht.MPICommunication) and ht.Communication is ht.Communicator
    x = ht.ones(3, split=None) * (comm.rank + 1)
    total = torch.zeros(3)
    comm.Allreduce(x, total)
    assert total.tolist() == [comm.size * (comm.size + 1) / 2] * 3
    received = torch.zeros(3)
    comm.Isend(x, dest=(comm.rank + 1) % comm.size)
    comm.Recv(received, source=(comm.rank - 1) % comm.size)
    assert received[0] == (comm.rank - 1) % comm.size + 1
    with pytest.raises(AttributeError):
        comm.no_such_operation  # noqa: B018
    with pytest.raises(AttributeError):
        ht.MPI_NOBODY  # noqa: B018
    try:
        ht.use_comm(ht.MPI_SELF)
        assert ht.zeros(4, split=0).lshape == (4,)
    finally:
        ht.use_comm(comm)
    assert ht.get_comm() is comm


def test_devices_and_types() -> None:
    assert ht.get_device() is ht.cpu
    ht.use_device("cpu")
    assert ht.sanitize_device("cpu", ht.get_comm()) == ht.sanitize_device(None, ht.get_comm())
    with pytest.raises(ValueError, match="unknown device"):
        ht.sanitize_device("abacus", ht.get_comm())
    assert ht.issubdtype(ht.int8, ht.signedinteger) and ht.issubdtype("u2", ht.integer)
    assert ht.issubdtype(ht.floating, ht.number) and not ht.issubdtype(ht.number, ht.floating)
    assert not ht.issubdtype(ht.bool, ht.number) and ht.issubdtype(ht.bool, ht.generic)
    assert ht.issubdtype(ht.complex64, ht.complexfloating) and not ht.issubdtype("f4", ht.flexible)
    assert ht.issubdtype("f4", ht.float32) and not ht.issubdtype(ht.number, ht.float32)
    assert ht.heat_type_is_exact(ht.int8) and not ht.heat_type_is_exact(ht.float32)
    assert ht.heat_type_is_inexact(ht.complex64) and not ht.heat_type_is_inexact(ht.bool)
    assert ht.heat_type_is_realfloating("f8") and not ht.heat_type_is_realfloating(ht.complex64)
    assert ht.heat_type_is_complexfloating("c8") and not ht.heat_type_is_complexfloating("f4")
    assert ht.heat_type_of([1.5]) is ht.float32 and ht.heat_type_of(ht.zeros(1, ht.int8)) is ht.int8


def test_checks_of_arguments() -> None:
    x = ht.zeros((3, 4))
    assert (ht.shape(x), ht.ndim(x), ht.size(x), ht.size(x, -1)) == ((3, 4), 2, 12, 4)
    assert ht.sanitize_axis((3, 4), -1) == 1 and ht.sanitize_axis((3, 4), (0, -1)) == (0, 1)
    assert ht.sanitize_axis((3,), None) is None
    assert ht.sanitize_shape(np.int64(3)) == (3,) and ht.sanitize_shape([2, 0]) == (2, 0)
    assert ht.sanitize_slice(slice(None, -1), 5) == slice(0, 4, 1)
    assert ht.broadcast_shape((3, 1), (1, 4)) == ht.broadcast_shapes((3, 1), (4,)) == (3, 4)
    with pytest.raises(ht.AxisError):
        ht.sanitize_axis((3, 4), 2)
    with pytest.raises(ValueError, match="at least 1"):
        ht.sanitize_shape((2, 0), 1)
    for wrong in (lambda: ht.sanitize_in([1]), lambda: ht.sanitize_shape(2.5),
                  lambda: ht.sanitize_slice(3, 5)):  # fmt: skip
        with pytest.raises(TypeError):
            wrong()
    supported = (
        ht.supports_hdf5(), ht.supports_netcdf(), ht.supports_pandas(), ht.supports_parquet(),
        ht.supports_zarr(),
    )  # fmt: skip
    assert set(supported) <= {True, False}
    assert ht.info()["ranks"] == "1"
