"""``python -m tools.release.build``: sdist and wheel of all packages, checked, in ``dist/``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from packaging.version import Version
from rich.console import Console
from rich.table import Table

from tools.workspace import ROOT, Package, find_package, packages

__all__ = ["build", "describe_files", "import_in_empty_environment", "run", "twine_check"]

# as on a machine without any MPI library: only what communicates may need one
IMPORT = 'import sys; sys.modules["mpi4py.MPI"] = None; import {name}; print({name}.__version__)'


def build(package: Package, folder: Path) -> list[Path]:
    """Build a package's sdist, and its wheel from the sdist."""
    before = set(folder.glob("*"))
    for file in before:
        if file.name.startswith(f"{package.import_name}-"):
            file.unlink()
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(package.path))
    return sorted(folder.glob(f"{package.import_name}-*"))


def twine_check(files: Sequence[Path]) -> None:
    """Let twine check the metadata and the README's rendering."""
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))


def import_in_empty_environment(package: Package, folder: Path) -> str:
    """Install a package's wheel with its declared dependencies only, import it, tell its version.

    Wheels of the workspace are found in the folder, as the index does not have them; torch is the
    version of this environment, not the newest, which may bring gigabytes for GPUs.
    """
    wheel = next(folder.glob(f"{package.import_name}-*.whl"))
    with tempfile.TemporaryDirectory() as place:
        run(sys.executable, "-m", "venv", place)
        python = str(Path(place) / "bin" / "python")
        constraints = Path(place) / "constraints.txt"
        constraints.write_text(f"torch=={Version(version('torch')).public}\n")
        options = ["--quiet", "--find-links", str(folder), "--constraint", str(constraints)]
        run(python, "-m", "pip", "install", *options, str(wheel))
        # isolated, and elsewhere: nothing of the repository is importable
        return run(python, "-I", "-c", IMPORT.format(name=package.import_name), cwd=place).strip()


def describe_files(files: Sequence[Path]) -> str:
    """Say the sizes of built files."""
    return ", ".join(f"{file.suffix[1:]} {file.stat().st_size / 1000:.0f} kB" for file in files)


def run(*command: str, cwd: str | Path = ROOT) -> str:
    """Run a command; its output is in the error if it fails."""
    result = subprocess.run(
        command,
        cwd=cwd,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:4])} ... failed:\n{result.stdout.strip()}")
    return result.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Build all packages, or some; the exit status is 0 if all is well."""
    parser = argparse.ArgumentParser(prog="hatch run build", description=__doc__)
    parser.add_argument("package", nargs="*", help="default: all")
    parser.add_argument("--check", action="store_true", help="import each in an empty environment")
    given = parser.parse_args(arguments)
    chosen = [find_package(name) for name in given.package] or packages()
    folder = ROOT / "dist"
    folder.mkdir(exist_ok=True)
    table = Table("package", "version", "built", *(["imported alone"] if given.check else []))
    console = Console()
    try:
        files: list[list[Path]] = []
        for package in chosen:
            console.print(f"building {package.name}")
            files.append(build(package, folder))
        twine_check([file for built in files for file in built])
        for package, built in zip(chosen, files, strict=True):
            row = [package.name, package.version, describe_files(built)]
            if given.check:
                console.print(f"installing {package.name} in an empty environment")
                row.append(import_in_empty_environment(package, folder))
            table.add_row(*row)
    except RuntimeError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
