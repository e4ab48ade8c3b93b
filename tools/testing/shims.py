"""Stand-ins for ``pip``, ``hatch`` and ``git`` in README blocks: they only check."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tools.workspace import ROOT, find_package, packages

__all__ = ["check_git", "check_hatch", "check_pip", "main"]

OPTIONS_WITH_VALUE = ("-r", "-c", "-i", "--index-url", "--extra-index-url", "-f", "--find-links")
SUBDIRECTORY = re.compile(r"#subdirectory=(packages/[\w-]+)$")
TOOLS = ("hatch",)  # what people install before they have the workspace


class CommandError(ValueError):
    """A command of a README would fail for who follows it."""


def check_pip(arguments: Sequence[str]) -> None:
    """Check that everything which would be installed exists."""
    if not arguments or arguments[0] != "install":
        raise CommandError(f"only `pip install` is known, not {' '.join(arguments)!r}")
    rest = iter(arguments[1:])
    for argument in rest:
        if argument in OPTIONS_WITH_VALUE:
            next(rest)
        elif not argument.startswith("-"):
            _check_installable(argument)


def _check_installable(argument: str) -> None:
    if argument.startswith((".", "/")) or "/" in argument.partition("[")[0].partition("@")[0]:
        path, _, extras = argument.partition("[")
        _check_path(path)
        if extras:
            _check_extras(find_package(Path(path).name).name, set(extras.rstrip("]").split(",")))
        return
    try:
        requirement = Requirement(argument)
    except InvalidRequirement as error:
        raise CommandError(f"{argument!r} is no requirement: {error}") from error
    name = canonicalize_name(requirement.name)
    if requirement.url:
        found = SUBDIRECTORY.search(requirement.url)
        if not requirement.url.startswith("git+") or not found:
            raise CommandError(f"{argument!r} needs git+URL#subdirectory=packages/<name>")
        if found[1] != f"packages/{name}":
            raise CommandError(f"{found[1]!r} is not the folder of {name!r}")
        _check_path(found[1])
    _check_extras(name, requirement.extras)


def _check_path(path: str) -> None:
    # `packages/*`, and wheels that `hatch run build` has put in dist
    if path.startswith("dist/") or path == "dist":
        return
    if not list(ROOT.glob(path.removeprefix("./").rstrip("/") or ".")):
        raise CommandError(f"{path!r} does not exist in the repository")


def _check_extras(name: str, extras: set[str]) -> None:
    """Check that a project of the workspace or of its environment has these extras."""
    own = {package.name: package.project for package in packages()}
    if name in own:
        declared = set(own[name].get("optional-dependencies", {}))
    elif name in TOOLS:
        declared = set()
    else:
        try:
            declared = set(distribution(name).metadata.get_all("Provides-Extra") or [])
        except PackageNotFoundError:
            raise CommandError(f"{name!r} is not used in this workspace") from None
    if missing := extras - declared:
        raise CommandError(f"{name} declares no extra {sorted(missing)}, only {sorted(declared)}")


def check_hatch(arguments: Sequence[str]) -> None:
    """Check that a script exists."""
    if len(arguments) < 2 or arguments[0] != "run":
        raise CommandError(f"only `hatch run SCRIPT` is known, not {' '.join(arguments)!r}")
    environment, _, script = arguments[1].rpartition(":")
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["envs"]
    scripts = table.get(environment or "default", {}).get("scripts", {})
    if script not in scripts:
        raise CommandError(f"no script {arguments[1]!r}; there are {sorted(scripts)}")


def check_git(arguments: Sequence[str]) -> None:
    """Make the folder that a clone would make."""
    if len(arguments) < 2 or arguments[0] != "clone":
        raise CommandError(f"only `git clone` is known, not {' '.join(arguments)!r}")
    Path(arguments[-1].rstrip("/").rpartition("/")[2].removesuffix(".git")).mkdir()


CHECKS = {"pip": check_pip, "pip3": check_pip, "hatch": check_hatch, "git": check_git}


def main() -> int:
    """Check the command that was called by the shim."""
    name, *arguments = sys.argv[1:]
    try:
        CHECKS[name](arguments)
    except (CommandError, LookupError) as error:
        print(f"{name} {' '.join(arguments)}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
