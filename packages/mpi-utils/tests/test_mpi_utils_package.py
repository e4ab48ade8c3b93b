"""The package imports, and says which version it is."""

import subprocess
import sys
from importlib.metadata import version

import mpi_utils


def test_version_is_the_installed_one() -> None:
    assert mpi_utils.__version__ == version("mpi-utils")


def test_importing_loads_no_array_library_and_starts_no_mpi() -> None:
    heavy = ("numpy", "torch", "rich", "mpi4py.MPI")
    program = f"import sys, mpi_utils; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
