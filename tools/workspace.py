"""The packages of this repository and where their parts lie."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "Package", "find_package", "packages"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Package:
    """One releasable package, a folder below ``packages/``."""

    path: Path

    @property
    def name(self) -> str:
        """The distribution name, which is the folder's."""
        return self.path.name

    @property
    def import_name(self) -> str:
        """The name to import."""
        return self.name.replace("-", "_")

    @property
    def source(self) -> Path:
        """The folder of the importable package."""
        return self.path / "src" / self.import_name

    @property
    def readme(self) -> Path:
        """The README."""
        return self.path / "README.md"

    @property
    def tests(self) -> Path:
        """The folder of the tests."""
        return self.path / "tests"

    @cached_property
    def project(self) -> dict[str, Any]:
        """The ``[project]`` table of the package's ``pyproject.toml``."""
        table: dict[str, Any] = tomllib.loads((self.path / "pyproject.toml").read_text())
        return dict(table["project"])

    @property
    def version(self) -> str:
        """The version, read without importing the package."""
        text = (self.source / "_version.py").read_text()
        found = re.search(r'__version__\s*=\s*"([^"]+)"', text)
        if found is None:
            raise ValueError(f"{self.source / '_version.py'} sets no __version__")
        return found[1]


def packages(root: Path = ROOT) -> list[Package]:
    """All packages of the workspace, sorted by name."""
    return [Package(file.parent) for file in sorted(root.glob("packages/*/pyproject.toml"))]


def find_package(name: str, root: Path = ROOT) -> Package:
    """The package of this distribution or import name."""
    for package in packages(root):
        if name in (package.name, package.import_name):
            return package
    known = ", ".join(package.name for package in packages(root))
    raise LookupError(f"no package {name!r} in this workspace; there are: {known}")
