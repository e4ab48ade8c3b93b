"""``python -m tools.release.rehearsal``: all packages as their users will get them.

They are built into a folder that stands for the index. From it each is installed alone in an
empty environment, and imported. In another environment, which holds what the tests need and
nothing of ours, each pair is installed and imported in both orders, and each package, with
mpi-utils, must pass the tests of its own sdist on one process and on two ranks.
"""

from __future__ import annotations

import argparse
import re
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from rich.console import Console

from tools.release.build import build, import_in_empty_environment, run
from tools.workspace import ROOT, Package, find_package, packages

__all__ = ["main"]

SHARED = "mpi-utils"
# ranks must draw the same examples
PYTEST = ("-m", "pytest", "-q", "--import-mode=importlib", "--timeout=120", "--hypothesis-seed=0")


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse the release of all packages, or of some; the exit status is 0 if all is well."""
    parser = argparse.ArgumentParser(prog="python -m tools.release.rehearsal", description=__doc__)
    parser.add_argument("package", nargs="*", help="default: all")
    given = parser.parse_args(arguments)
    chosen = [find_package(name) for name in given.package] or packages()
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as place:
        index = Path(place) / "index"
        index.mkdir()
        try:
            for package in {find_package(SHARED), *chosen}:
                build(package, index)
            for line in _rehearse(chosen, index, Path(place)):
                console.print(line, markup=False, soft_wrap=True)
        except RuntimeError as error:
            console.print(str(error), markup=False, soft_wrap=True)
            return 1
    return 0


def _rehearse(chosen: Sequence[Package], index: Path, place: Path) -> Iterator[str]:
    for package in chosen:
        version = import_in_empty_environment(package, index)
        yield f"{package.name} {version} alone in an empty environment: imported"
    site = _Site(place / "site", index)
    for pair in combinations(chosen, 2):
        site.install(*pair)
        names = [package.import_name for package in pair]
        site.python("-I", "-c", f"import {names[0]}, {names[1]}")
        site.python("-I", "-c", f"import {names[1]}, {names[0]}")
        yield f"{pair[0].name} and {pair[1].name}: imported in both orders"
    for package in chosen:
        site.install(package)
        with tarfile.open(next(index.glob(f"{package.import_name}-*.tar.gz"))) as sdist:
            sdist.extractall(place, filter="data")
        folder = next(place.glob(f"{package.import_name}-*"))
        alone = site.python(*PYTEST, "-m", "not parallel or parallel[1]", "tests", cwd=folder)
        yield f"{package.name}, tests of the sdist on one process: {_summary(alone)}"
        ranks = site.mpirun(2, *PYTEST, "-m", "parallel[2]", "tests", cwd=folder)
        yield f"{package.name}, tests of the sdist on two ranks: {_summary(ranks)}"


class _Site:
    """An environment with all that packages and tests need, in which ours come and go.

    Parameters
    ----------
    path, index : Path
        Where it is made, and where our packages are found.
    """

    def __init__(self, path: Path, index: Path) -> None:
        self._python, self._index = path / "bin" / "python", index
        run(sys.executable, "-m", "venv", str(path))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        default = project["tool"]["hatch"]["envs"]["default"]
        needed = [*default["dependencies"], *default["extra-dependencies"]]
        self.python("-m", "pip", "install", "--quiet", *needed)

    def install(self, *chosen: Package) -> None:
        """Install these packages and mpi-utils, and nothing else of ours."""
        ours = [package.name for package in packages()]
        self.python("-m", "pip", "uninstall", "--quiet", "--yes", *ours)
        names = {SHARED, *(package.name for package in chosen)}
        options = ["--quiet", "--no-index", "--find-links", str(self._index)]
        self.python("-m", "pip", "install", *options, *sorted(names))
        self.python("-m", "pip", "check")

    def python(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run this environment's Python, elsewhere than in the repository."""
        return run(str(self._python), *arguments, cwd=cwd or self._index)

    def mpirun(self, ranks: int, *arguments: str, cwd: Path) -> str:
        """Run this environment's Python on several ranks."""
        launcher = str(self._python.with_name("mpirun"))
        return run(launcher, "-n", str(ranks), str(self._python), *arguments, cwd=cwd)


def _summary(output: str) -> str:
    """The last line in which pytest counts tests."""
    found = re.findall(r"\d+ passed[^\n]*", output)
    if not found:
        raise RuntimeError(f"no tests ran:\n{output}")
    return str(found[-1])


if __name__ == "__main__":
    sys.exit(main())
