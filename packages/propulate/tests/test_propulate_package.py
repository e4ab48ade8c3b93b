"""The package imports, and says which version it is."""

from importlib.metadata import version

import propulate


def test_version_is_the_installed_one() -> None:
    assert propulate.__version__ == version("propulate")
