"""The package imports fast and clean, and says which version it is."""

from __future__ import annotations

import builtins
import subprocess
import sys
from importlib.metadata import version
from types import ModuleType

import heat_core


def test_version_is_the_installed_one() -> None:
    assert heat_core.__version__ == version("heat-core")


def test_every_public_name_exists_once() -> None:
    assert len(set(heat_core.__all__)) == len(heat_core.__all__)
    for name in heat_core.__all__:
        assert hasattr(heat_core, name), name


def test_no_foreign_module_is_visible() -> None:
    """Pitfall 19: ``ht.os``, ``ht.torch`` and the like."""
    foreign = {
        name
        for name, value in vars(heat_core).items()
        if isinstance(value, ModuleType) and not value.__name__.startswith("heat_core")
    }
    assert foreign == set()


def test_builtins_are_left_alone() -> None:
    assert not hasattr(builtins, "print0")
    assert {"int", "float", "bool"}.isdisjoint(heat_core.__all__)
    assert heat_core.int is heat_core.int32


def test_import_neither_starts_mpi_nor_loads_optional_libraries() -> None:
    program = (
        "import sys, heat_core;"
        "print([m for m in ('mpi4py.MPI', 'h5py', 'pandas', 'scipy', 'matplotlib')"
        " if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_huge_pages_leave_the_environment_as_it_was() -> None:
    program = "import os, heat_core; print('THP_MEM_ALLOC_ENABLE' in os.environ)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
