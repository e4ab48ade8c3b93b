"""The package imports, and says which version it is."""

from importlib.metadata import version

import heat_core


def test_version_is_the_installed_one() -> None:
    assert heat_core.__version__ == version("heat-core")
