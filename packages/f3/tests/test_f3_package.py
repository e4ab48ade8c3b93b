"""The package imports, and says which version it is."""

from importlib.metadata import version

import f3


def test_version_is_the_installed_one() -> None:
    assert f3.__version__ == version("f3")
