"""Checks of where things lie and how large they are. Each returns what is wrong, as lines."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from pathlib import Path

from tools.workspace import ROOT, packages

__all__ = [
    "changelogs",
    "code_lines",
    "file_names",
    "package_code",
    "package_entries",
    "sizes",
    "top_level",
    "tracked_files",
]

TOP_LEVEL = {
    ".ci",
    ".github",
    ".gitignore",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "benchmarks",
    "packages",
    "pyproject.toml",
    "tools",
}
PACKAGE = {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "src", "tests"}
SAY_NOTHING = {"common.py", "helpers.py", "misc.py", "util.py", "utils.py"}
MAX_FILE = 400
MAX_FUNCTION = 50
#: packages that promise to stay small -> lines of code that they may have
MAX_CODE = {"mpi-utils": 1042}
NO_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}
VERSION_HEADING = re.compile(r"^## (\S+)", re.MULTILINE)


def tracked_files(root: Path = ROOT) -> list[Path]:
    """What git tracks or would track, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    # a file that was removed and not yet committed is listed as well
    return [Path(name) for name in sorted(listed.split("\0")) if name and (root / name).exists()]


def top_level(files: list[Path]) -> list[str]:
    """Refuse entries of the root that have no place there."""
    entries = {file.parts[0] for file in files}
    return [f"{entry}: has no place at the top level" for entry in sorted(entries - TOP_LEVEL)]


def package_entries(files: list[Path], root: Path = ROOT) -> list[str]:
    """Each package has the same entries, and its licence is the repository's."""
    wrong: list[str] = []
    for package in packages(root):
        folder = package.path.relative_to(root)
        entries = {file.parts[2] for file in files if file.is_relative_to(folder)}
        wrong += [f"{folder / name}: has no place there" for name in sorted(entries - PACKAGE)]
        wrong += [f"{folder / name}: is missing" for name in sorted(PACKAGE - entries)]
        if (package.path / "LICENSE").read_text() != (root / "LICENSE").read_text():
            wrong.append(f"{folder / 'LICENSE'}: differs from the repository's")
        if not (package.source / "py.typed").exists():
            wrong.append(f"{package.source.relative_to(root) / 'py.typed'}: is missing")
    return wrong


def file_names(files: list[Path]) -> list[str]:
    """Refuse file names that do not say what is inside."""
    return [f"{file}: name it for what it holds" for file in files if file.name in SAY_NOTHING]


def sizes(files: list[Path], root: Path = ROOT) -> list[str]:
    """Refuse long files and long functions."""
    wrong: list[str] = []
    for file in files:
        if file.suffix != ".py":
            continue
        text = (root / file).read_text()
        length = text.count("\n")
        # a table of contents is as long as what it lists
        if length > MAX_FILE and "tests" not in file.parts and file.name != "__init__.py":
            wrong.append(f"{file}: has {length} lines, at most {MAX_FILE} are wanted")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = _length_without_docstring(node)
                if length > MAX_FUNCTION:
                    wrong.append(f"{file}:{node.lineno}: {node.name} has {length} lines")
    return wrong


def code_lines(text: str) -> int:
    """Lines of a Python source without blank ones, comments and docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines.difference_update(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    return len(lines)


def package_code(root: Path = ROOT) -> dict[str, int]:
    """Lines of code in each package's source."""
    return {
        package.name: sum(code_lines(file.read_text()) for file in package.source.rglob("*.py"))
        for package in packages(root)
    }


def changelogs(root: Path = ROOT) -> list[str]:
    """The top entry of each changelog is the package's version."""
    wrong: list[str] = []
    for package in packages(root):
        text = (package.path / "CHANGELOG.md").read_text()
        heading = VERSION_HEADING.search(text)
        top = heading[1] if heading else "nothing"
        if top != package.version:
            name = f"packages/{package.name}/CHANGELOG.md"
            wrong.append(f"{name}: starts with {top}, the version is {package.version}")
    return wrong


def _length_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length
