"""The package imports, and says which version it is."""

from importlib.metadata import version

import daso


def test_version_is_the_installed_one() -> None:
    assert daso.__version__ == version("daso")
