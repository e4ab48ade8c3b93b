"""What allows a release, and what a refusal says."""

import subprocess
from pathlib import Path

import pytest

from tools.release import checks
from tools.release.checks import source_checks
from tools.release.decisions import (
    IndexAnswer,
    changelog_verdict,
    declared_verdict,
    owner_verdict,
    tag_verdict,
    third_party_imports,
    tree_verdict,
    version_verdict,
)
from tools.workspace import Package, packages

AUTHOR = "The hpc-ml developers"
CHANGELOG = """# Changelog of daso

## 2026.12.0 (unreleased)

- Soon.

## 2026.11.1

## 2026.11.0 (2026-11-30)

- The first release,
  with two lines.
"""


@pytest.mark.parametrize(
    ("version", "ok", "message"),
    [
        ("2026.11.0", True, "2 lines"),
        ("2026.11.1", False, "say in CHANGELOG.md what is new"),
        ("2026.12.0", False, "replace (unreleased) by the date"),
        ("2026.11", False, "write an entry `## 2026.11 (date)`"),
    ],
)
def test_changelog(version: str, ok: bool, message: str) -> None:
    verdict = changelog_verdict(CHANGELOG, version)
    assert verdict.ok is ok
    assert message in verdict.message


@pytest.mark.parametrize(
    ("answer", "ok", "message"),
    [
        (IndexAnswer(), True, "free"),
        (IndexAnswer(("2027.1.0", "2026.11.0"), AUTHOR), True, "ours"),
        (IndexAnswer(("0.3.1", "0.1"), "Somebody"), False, "somebody else's project"),
        (IndexAnswer(("2026.11.0", "1.0"), AUTHOR), False, "somebody else's project"),
        (IndexAnswer(("2026.5",), "Somebody"), False, "by Somebody"),
        (IndexAnswer(("2026.5",)), False, "by an unnamed author"),
    ],
)
def test_owner(answer: IndexAnswer, ok: bool, message: str) -> None:
    verdict = owner_verdict("daso", answer, AUTHOR)
    assert verdict.ok is ok
    assert message in verdict.message


def test_version_must_be_newer_than_the_index() -> None:
    answer = IndexAnswer(("2026.9.0", "2026.10.0"))
    assert version_verdict("2026.11.0", answer).ok
    assert not version_verdict("2026.10.0", answer).ok
    assert not version_verdict("2026.9.1", answer).ok
    assert version_verdict("2026.11.0", IndexAnswer()).ok


def test_tag_and_tree() -> None:
    assert tag_verdict("daso-v1", None, "abc").ok
    assert tag_verdict("daso-v1", "abc", "abc").ok
    assert not tag_verdict("daso-v1", "def", "abc").ok
    assert tree_verdict("", on_main=True).ok
    assert not tree_verdict("", on_main=False).ok
    assert "notes.txt" in tree_verdict("?? notes.txt\n", on_main=True).message


def test_undeclared_imports_are_found() -> None:
    sources = [
        "import os, numpy.linalg\nfrom own.part import x\nfrom . import y",
        "def late():\n    from sklearn import svm",
    ]
    modules = third_party_imports(sources, "own")
    assert modules == {"numpy", "sklearn"}
    providers = {"numpy": ["numpy"], "sklearn": ["scikit-learn"]}
    assert declared_verdict(modules, ["numpy>=2", "scikit_learn"], providers).ok
    assert "sklearn" in declared_verdict(modules, ["numpy>=2"], providers).message


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Package:
    """A repository with one package, ready to be released."""
    folder = tmp_path / "packages" / "daso"
    (folder / "src" / "daso").mkdir(parents=True)
    (folder / "src" / "daso" / "_version.py").write_text('__version__ = "2026.11.0"\n')
    (folder / "src" / "daso" / "__init__.py").write_text("import numpy\n")
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "daso"\nauthors = [{{ name = "{AUTHOR}" }}]\ndependencies = ["numpy"]\n'
    )
    git(tmp_path, "init", "--initial-branch=main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "First")
    return Package(folder)


def failing(package: Package, answer: IndexAnswer) -> list[str]:
    steps = source_checks(package, package.path.parent.parent, lambda _name: answer)
    return [name for name, check in steps if not check().ok]


def test_a_package_in_order_passes_all_steps(repository: Package) -> None:
    assert failing(repository, IndexAnswer()) == []
    assert failing(repository, IndexAnswer(("2026.10.0",), AUTHOR)) == []


def test_each_obstacle_fails_its_step(repository: Package) -> None:
    root = repository.path.parent.parent
    assert failing(repository, IndexAnswer(("1.0",), "Somebody")) == ["name"]
    assert failing(repository, IndexAnswer(("2026.11.0",), AUTHOR)) == ["version"]
    git(root, "tag", "daso-v2026.11.0")
    assert failing(repository, IndexAnswer()) == []  # the tag is on this commit
    (repository.source / "__init__.py").write_text("import torch\n")
    assert failing(repository, IndexAnswer()) == ["tree", "imports"]
    git(root, "checkout", "-b", "side")
    git(root, "commit", "--all", "-m", "Second")
    assert failing(repository, IndexAnswer()) == ["tree", "tag", "imports"]
    (repository.path / "CHANGELOG.md").write_text("# Changelog\n")
    assert "changelog" in failing(repository, IndexAnswer())


@pytest.mark.parametrize("package", packages(), ids=lambda package: package.name)
def test_all_packages_declare_what_they_import(package: Package) -> None:
    verdict = dict(source_checks(package, package.path, lambda _name: IndexAnswer()))["imports"]()
    assert verdict.ok, verdict.message


def test_tags_name_the_package() -> None:
    assert checks.tag_of(packages()[0]) == f"daso-v{packages()[0].version}"
