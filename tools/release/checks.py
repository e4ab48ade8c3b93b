"""The named steps before a release: each asks git, the index or a tool, and gives a verdict."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from tools.release.build import (
    build,
    describe_files,
    import_in_empty_environment,
    twine_check,
)
from tools.release.decisions import (
    IndexAnswer,
    Verdict,
    changelog_verdict,
    declared_verdict,
    owner_verdict,
    tag_verdict,
    third_party_imports,
    tree_verdict,
    version_verdict,
)
from tools.workspace import Package, find_package

__all__ = ["Check", "artefact_checks", "git", "source_checks", "tag_of"]

Check = tuple[str, Callable[[], Verdict]]


def tag_of(package: Package) -> str:
    """The tag of the package's present version."""
    return f"{package.name}-v{package.version}"


def source_checks(
    package: Package, root: Path, ask: Callable[[str], IndexAnswer]
) -> Iterator[Check]:
    """What must hold before anything is built.

    Parameters
    ----------
    package
        The package to release.
    root
        The repository.
    ask
        What the index knows of a name.
    """
    project = package.project
    head = git(root, "rev-parse", "HEAD")
    yield "tree", lambda: tree_verdict(git(root, "status", "--porcelain") or "", _on_main(root))
    changelog = (package.path / "CHANGELOG.md").read_text()
    yield "changelog", lambda: changelog_verdict(changelog, package.version)
    tagged = git(
        root, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag_of(package)}^{{commit}}"
    )
    yield "tag", lambda: tag_verdict(tag_of(package), tagged, head or "")
    yield (
        "name",
        lambda: owner_verdict(package.name, ask(package.name), project["authors"][0]["name"]),
    )
    yield "version", lambda: version_verdict(package.version, ask(package.name))
    yield "imports", lambda: _imports_are_declared(package)


def artefact_checks(package: Package, root: Path, folder: Path) -> Iterator[Check]:
    """What must hold of the sdist and the wheel, which are built into the folder."""

    def built() -> Verdict:
        return Verdict(True, describe_files(build(package, folder)))

    def twine() -> Verdict:
        twine_check(sorted(folder.glob(f"{package.import_name}-*")))
        return Verdict(True, "metadata and README are in order")

    def alone() -> Verdict:
        if package.name != "mpi-utils":
            build(find_package("mpi-utils", root), folder)
        version = import_in_empty_environment(package, folder)
        return Verdict(version == package.version, f"the wheel imports as {version}")

    yield "build", built
    yield "twine", twine
    yield "alone", alone


def git(root: Path, *arguments: str) -> str | None:
    """Run git; its output, or None if it says no."""
    result = subprocess.run(
        ["git", *arguments], cwd=root, check=False, capture_output=True, text=True
    )
    return result.stdout.strip() if result.returncode == 0 else None


def _on_main(root: Path) -> bool:
    branches = ("main", "origin/main")  # a release by tag has no branch of its own checked out
    return any(
        git(root, "merge-base", "--is-ancestor", "HEAD", branch) is not None for branch in branches
    )


def _imports_are_declared(package: Package) -> Verdict:
    sources = (file.read_text() for file in package.source.rglob("*.py"))
    extras = package.project.get("optional-dependencies", {})
    requirements = [*package.project["dependencies"], *(r for rs in extras.values() for r in rs)]
    modules = third_party_imports(sources, package.import_name)
    return declared_verdict(modules, requirements, packages_distributions())
