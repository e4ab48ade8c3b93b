"""The generic oracle: arrays in every layout, compared with NumPy."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

import heat_core as ht
from heat_core.array.dndarray import wrap
from heat_core.layout import Layout

# All ranks must draw the same examples.
settings.register_profile(
    "ranks",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    # The fixtures here are stateless functions.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("ranks")


def _counts(extent: int, size: int, split: int) -> list[tuple[int, ...]]:
    """Balanced, everything on the last rank, and an uneven way."""
    rng = np.random.default_rng(extent * 31 + size)
    last = (*(0,) * (size - 1), extent)
    cuts = np.sort(rng.integers(0, extent + 1, size - 1))
    uneven = tuple(int(n) for n in np.diff([0, *cuts, extent]))[:: -1 if split % 2 else 1]
    balanced = tuple(extent // size + (rank < extent % size) for rank in range(size))
    return list(dict.fromkeys((balanced, last, uneven)))


def _every_layout(data: Any, *, unbalanced: bool = True) -> Iterator[ht.DNDarray]:
    array = np.asarray(data)
    comm = ht.get_comm()
    yield ht.array(array)
    for split in range(array.ndim):
        choices = _counts(array.shape[split], comm.size, split)
        for counts in choices if unbalanced else choices[:1]:
            layout = Layout(array.shape, split, counts)
            part = torch.tensor(
                array[layout.slices(comm.rank)], device=ht.get_device().torch_device
            )
            yield wrap(part, layout, comm)


def _check(result: Any, expected: Any, *, rtol: float = 1e-5, atol: float = 1e-8) -> None:
    expected = np.asarray(expected)
    assert isinstance(result, ht.DNDarray)
    assert result.shape == expected.shape
    # Every rank looks at its own part: together they see everything, without a message.
    part = result.layout.slices(result.comm.rank)
    actual, expected = result.larray.cpu().numpy(), expected[part]
    assert actual.shape == expected.shape
    if expected.dtype.kind in "fc":
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, equal_nan=True)
    else:
        np.testing.assert_array_equal(actual, expected)


@pytest.fixture
def every_layout() -> Callable[..., Iterator[ht.DNDarray]]:
    """A global array as replicated, split along every axis, balanced and not."""
    return _every_layout


@pytest.fixture
def check() -> Callable[..., None]:
    """Compare a distributed result with NumPy's."""
    return _check


@pytest.fixture
def mpirun(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program text, or a module's command line, on n ranks; a hang fails the test."""

    def run(
        n: int, what: str | list[str], *, timeout: float = 30, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        beside = Path(sys.executable).with_name("mpirun")
        found = str(beside) if beside.exists() else shutil.which("mpirun") or "mpirun"
        given = os.environ.get("HPC_ML_MPIRUN")
        launcher = shlex.split(given) if given else [found]
        if isinstance(what, str):
            script = tmp_path / "program.py"
            script.write_text(textwrap.dedent(what))
            what = [str(script)]
        # a parent's MPI environment (a test under a launcher) must not reach the child
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI_COMM", "PMIX"))
        }
        return subprocess.run(
            [*launcher, "-n", str(n), sys.executable, *what],
            env=clean | {"OMP_NUM_THREADS": "1"} | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
