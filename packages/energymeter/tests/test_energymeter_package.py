"""The package imports, and says which version it is."""

from importlib.metadata import version

import energymeter


def test_version_is_the_installed_one() -> None:
    assert energymeter.__version__ == version("energymeter")
