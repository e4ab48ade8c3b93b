"""Links between the files of the repository become links between pages of the site."""

import pytest

from tools.docs.hooks import site_target


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("README.md", "index.md"),
        ("CONTRIBUTING.md", "contributing.md"),
        ("packages/daso", "daso/README.md"),
        ("packages/daso/", "daso/README.md"),
        ("packages/daso/CHANGELOG.md", "daso/CHANGELOG.md"),
        ("LICENSE", "LICENSE/README.md"),  # no such page: the link becomes text
    ],
)
def test_pages_of_files(path: str, page: str) -> None:
    assert site_target(path) == page
