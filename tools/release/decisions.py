"""What allows a release. Pure functions of what git, the changelog and the package index say."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

__all__ = [
    "IndexAnswer",
    "Verdict",
    "changelog_verdict",
    "declared_verdict",
    "owner_verdict",
    "tag_verdict",
    "third_party_imports",
    "tree_verdict",
    "version_verdict",
]

FIRST_YEAR = 2026
HEADING = re.compile(r"^## +(\S+) *(.*)$")


@dataclass(frozen=True)
class Verdict:
    """Whether one condition holds, and if not, what to do."""

    ok: bool
    message: str


@dataclass(frozen=True)
class IndexAnswer:
    """What the package index knows of a name; nothing if there is no such project."""

    versions: tuple[str, ...] = ()
    author: str = ""


def tree_verdict(status: str, on_main: bool) -> Verdict:
    """Judge the working tree by ``git status --porcelain`` and whether main has its commit."""
    if status.strip():
        return Verdict(False, f"commit or remove these changes first:\n{status.rstrip()}")
    if not on_main:
        return Verdict(False, "this commit is not on main: merge it first")
    return Verdict(True, "clean, on main")


def changelog_verdict(text: str, version: str) -> Verdict:
    """Judge the changelog: an entry for exactly this version, dated and with content."""
    entry: list[str] | None = None
    remark = ""
    for line in text.splitlines():
        heading = HEADING.match(line)
        if heading and entry is not None:
            break
        if heading and heading[1] == version:
            entry, remark = [], heading[2]
        elif entry is not None and line.strip():
            entry.append(line)
    if entry is None:
        return Verdict(False, f"write an entry `## {version} (date)` in CHANGELOG.md")
    if not entry:
        return Verdict(False, f"say in CHANGELOG.md what is new in {version}")
    if "unreleased" in remark.lower():
        return Verdict(False, f"replace (unreleased) by the date in `## {version} {remark}`")
    return Verdict(True, f"{len(entry)} lines on {version}")


def tag_verdict(tag: str, tagged: str | None, head: str) -> Verdict:
    """Judge the tag: it must be free, or already be on this very commit."""
    if tagged is None:
        return Verdict(True, f"{tag} is free")
    if tagged == head:
        return Verdict(True, f"{tag} is on this commit")
    return Verdict(False, f"{tag} is on another commit: raise the version in _version.py")


def version_verdict(version: str, answer: IndexAnswer) -> Verdict:
    """Judge the version: newer than all that the index has."""
    newest = max(map(Version, answer.versions), default=None)
    if newest is not None and Version(version) <= newest:
        return Verdict(False, f"the index has {newest}: raise the version in _version.py")
    return Verdict(True, f"{version} is new")


def owner_verdict(name: str, answer: IndexAnswer, author: str) -> Verdict:
    """Judge the name: free on the index, or ours.

    All releases of ours are from 2026 or later, so an older version tells a stranger's project.
    """
    if not answer.versions:
        return Verdict(True, f"{name} is free on the index")
    old = [version for version in answer.versions if Version(version).major < FIRST_YEAR]
    rename = f"publish to an index of your own, or rename {name}"
    if old:
        return Verdict(False, f"{name} {old[0]} on the index is somebody else's project: {rename}")
    if answer.author != author:
        owner = answer.author or "an unnamed author"
        return Verdict(False, f"{name} on the index is by {owner}, not by {author}: {rename}")
    return Verdict(True, f"{name} on the index is ours")


def third_party_imports(sources: Iterable[str], own: str) -> set[str]:
    """Top-level modules that these sources import, late imports included."""
    found: set[str] = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {own}


def declared_verdict(
    modules: Iterable[str], requirements: Iterable[str], providers: Mapping[str, Sequence[str]]
) -> Verdict:
    """Judge the imports: each must belong to a declared dependency or optional dependency.

    Parameters
    ----------
    modules
        Imported top-level modules.
    requirements
        The package's requirements, those of its extras included.
    providers
        The distributions that provide each module.
    """
    declared = {canonicalize_name(Requirement(line).name) for line in requirements}
    missing = sorted(
        module
        for module in modules
        if declared.isdisjoint(map(canonicalize_name, providers.get(module, [module])))
    )
    if missing:
        return Verdict(False, f"declare in pyproject.toml what provides {', '.join(missing)}")
    return Verdict(True, "all imports are declared")
