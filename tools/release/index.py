"""Ask the package index that pip is configured for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from tools.release.decisions import IndexAnswer

__all__ = ["IndexUnreachableError", "ask_index"]


class IndexUnreachableError(RuntimeError):
    """The index gives no answer; nothing can be said about a name."""


def ask_index(name: str, options: Sequence[str] = ()) -> IndexAnswer:
    """Find a project's versions and the author of the newest one.

    Parameters
    ----------
    name
        The project.
    options
        Passed on to pip, such as ``--index-url URL``.
    """
    versions = _versions(name, options)
    if not versions:
        # to pip, an index that does not answer looks like one without the project
        if not _versions("pip", options):
            raise IndexUnreachableError("the package index does not answer: see `pip config list`")
        return IndexAnswer()
    report = _pip(
        "install",
        "--dry-run",
        "--quiet",
        "--no-deps",
        "--ignore-installed",
        "--ignore-requires-python",
        "--report=-",
        *options,
        f"{name}=={versions[0]}",
    )
    if report.returncode != 0:
        return IndexAnswer(versions)
    metadata = json.loads(report.stdout)["install"][0]["metadata"]
    return IndexAnswer(versions, metadata.get("author") or metadata.get("author_email", ""))


def _versions(name: str, options: Sequence[str]) -> tuple[str, ...]:
    answer = _pip(
        "index", "versions", "--json", "--pre", "--ignore-requires-python", *options, name
    )
    return tuple(json.loads(answer.stdout)["versions"]) if answer.returncode == 0 else ()


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)
