"""The package imports, and says which version it is."""

from importlib.metadata import version

import mpi_utils


def test_version_is_the_installed_one() -> None:
    assert mpi_utils.__version__ == version("mpi-utils")
