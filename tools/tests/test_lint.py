"""The checks of the workspace find what they are there for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.lint import layout
from tools.workspace import ROOT, packages


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the packages and of the import rules."""
    shutil.copytree(ROOT / "packages", tmp_path / "packages", symlinks=True)
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def lint_imports(root: Path) -> tuple[int, str]:
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(p.source.parent) for p in packages(root)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("heat-core/src/heat_core/errors.py", "import daso", "heat_core.errors -> daso"),
        ("mpi-utils/src/mpi_utils/seeds.py", "import f3", "mpi_utils.seeds -> f3"),
        ("daso/src/daso/__init__.py", "import tools.demo", "daso -> tools"),
        (
            "heat-core/src/heat_core/layout/layout.py",
            "import mpi4py",
            "heat_core.layout.layout -> mpi4py",
        ),
        (
            "heat-core/src/heat_core/dtypes/dtype.py",
            "from mpi_utils import seeds",
            "heat_core.dtypes.dtype -> mpi_utils",
        ),
    ],
)
def test_forbidden_imports_are_found(copy: Path, file: str, line: str, message: str) -> None:
    with (copy / "packages" / file).open("a") as source:
        source.write(f"\n{line}\n")
    status, output = lint_imports(copy)
    assert status != 0
    assert message in output


def test_the_import_rules_hold(copy: Path) -> None:
    status, output = lint_imports(copy)
    assert status == 0, output


def test_entries_without_a_place_are_found() -> None:
    files = [Path("pyproject.toml"), Path("notes.txt"), Path("packages/f3/setup.py")]
    assert layout.top_level(files) == ["notes.txt: has no place at the top level"]
    assert "packages/f3/setup.py: has no place there" in layout.package_entries(files)
    assert "packages/f3/README.md: is missing" in layout.package_entries(files)


def test_names_that_say_nothing_are_found() -> None:
    files = [Path("packages/f3/src/f3/utils.py"), Path("packages/f3/src/f3/feedback.py")]
    assert layout.file_names(files) == [f"{files[0]}: name it for what it holds"]


def test_long_files_and_functions_are_found(tmp_path: Path) -> None:
    body = "    x = 1\n" * 49
    (tmp_path / "good.py").write_text(f'def f():\n    """Say\n\n    it."""\n{body}')
    (tmp_path / "long.py").write_text(f"def g():\n{body}    x = 2\n")
    (tmp_path / "file.py").write_text("x = 1\n" * 401)
    found = layout.sizes([Path("good.py"), Path("long.py"), Path("file.py")], tmp_path)
    assert found == [
        "long.py:1: g has 51 lines",
        "file.py: has 401 lines, at most 400 are wanted",
    ]


def test_changelogs_must_start_with_the_version(copy: Path) -> None:
    assert layout.changelogs(copy) == []
    (copy / "packages/f3/CHANGELOG.md").write_text("# Changelog\n\n## 2025.1.0\n\n- Old.\n")
    assert layout.changelogs(copy)[0].startswith("packages/f3/CHANGELOG.md: starts with 2025.1.0")


def test_lines_of_code_are_those_that_do_something() -> None:
    source = '''"""Module."""

# a comment
x = """not a docstring,
but a string"""  # another


class A:
    """Two
    lines."""

    def f(self):
        "Doc."
        return {
            "a": 1,
        }
'''
    assert layout.code_lines(source) == 2 + 1 + 4


def test_lines_of_code_are_counted_for_every_package(copy: Path) -> None:
    before = layout.package_code(copy)
    assert list(before) == [package.name for package in packages(copy)]
    seeds = copy / "packages/mpi-utils/src/mpi_utils/seeds.py"
    seeds.write_text(seeds.read_text() + "\n\nx = 1\n")
    assert layout.package_code(copy)["mpi-utils"] == before["mpi-utils"] + 1
