"""The package imports, and says which version it is."""

from importlib.metadata import version

import lowrank


def test_version_is_the_installed_one() -> None:
    assert lowrank.__version__ == version("lowrank")
