"""The package imports, and says which version it is."""

from importlib.metadata import version

import recycle


def test_version_is_the_installed_one() -> None:
    assert recycle.__version__ == version("recycle")
