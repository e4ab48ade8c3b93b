"""``python -m tools.release PACKAGE``: check whether it can be released; with --publish, do it.

Releasing means a tag ``PACKAGE-vVERSION`` and an upload by twine. Which index is asked and which
one is uploaded to is pip's and twine's configuration, or the options.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache, partial
from pathlib import Path

from rich.console import Console

from tools.release.checks import Check, artefact_checks, git, source_checks, tag_of
from tools.release.decisions import Verdict
from tools.release.index import IndexUnreachableError, ask_index
from tools.workspace import ROOT, Package, find_package


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one package, and publish it if that is asked for and all checks hold."""
    parser = argparse.ArgumentParser(prog="hatch run release", description=__doc__)
    parser.add_argument("package", help="its name, or the tag of its release")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--dry-run", action="store_true", help="only check (the default)")
    action.add_argument("--publish", action="store_true", help="tag and upload")
    parser.add_argument("--repository", help="where twine uploads: a name in .pypirc, or a URL")
    parser.add_argument("--index-url", help="which index pip asks; default: as configured")
    parser.add_argument("--output", type=Path, help="keep sdist and wheel in this folder")
    given = parser.parse_args(arguments)
    try:
        package = _package_or_tag(given.package)
    except LookupError as error:
        parser.error(str(error.args[0]))
    options = ["--index-url", given.index_url] if given.index_url else []
    ask = cache(partial(ask_index, options=tuple(options)))
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        # what git and the index refuse need not be built
        good = _run_checks(source_checks(package, ROOT, ask), console)
        good = good and _run_checks(artefact_checks(package, ROOT, folder), console)
        files = sorted(folder.glob(f"{package.import_name}-*"))
        if good and given.output:
            given.output.mkdir(parents=True, exist_ok=True)
            for file in files:
                (given.output / file.name).write_bytes(file.read_bytes())
        if not good:
            console.print(f"{package.name} {package.version} cannot be released")
        elif given.publish:
            _publish(package, files, given.repository)
        else:
            console.print(f"{package.name} {package.version} can be released: use --publish")
    return 0 if good else 1


def _package_or_tag(text: str) -> Package:
    """The package of this name, or of this tag, which must be that of its present version."""
    name, _, version = text.partition("-v")
    package = find_package(name)
    if version and text != tag_of(package):
        raise LookupError(f"{text} is not the tag of the present version, {tag_of(package)}")
    return package


def _run_checks(checks: Iterable[Check], console: Console) -> bool:
    """Run all of these checks, one line each."""
    good = True
    for name, check in checks:
        try:
            verdict = check()
        except (IndexUnreachableError, RuntimeError) as error:
            verdict = Verdict(False, str(error))
        good &= verdict.ok
        word = "[green]ok    [/]" if verdict.ok else "[red]failed[/]"
        console.print(f"{name:<10} {word} ", end="")
        console.print(verdict.message, markup=False, soft_wrap=True)
    return good


def _publish(package: Package, files: Sequence[Path], repository: str | None) -> None:
    tag = tag_of(package)
    if git(ROOT, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag}") is None:
        message = f"{package.name} {package.version}"
        subprocess.run(
            ["git", "tag", "--annotate", tag, "--message", message], cwd=ROOT, check=True
        )
    where: list[str] = []
    if repository:
        where = ["--repository-url" if "://" in repository else "--repository", repository]
    subprocess.run([sys.executable, "-m", "twine", "upload", *where, *map(str, files)], check=True)
    print(f"published {package.name} {package.version}; push the tag: git push origin {tag}")


if __name__ == "__main__":
    sys.exit(main())
