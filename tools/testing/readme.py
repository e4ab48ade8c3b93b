"""Run the code blocks of a README as one story in an empty folder.

```python blocks are run as scripts; a first line ``# name.py`` names the file. ```bash blocks are
run by bash, with ``pip``, ``hatch`` and ``git clone`` replaced by checks: what they would install
or call must exist. A bash block that starts with ``#!`` is a script for another machine, such as a
batch job: bash must be able to parse it. ```toml blocks must parse; ```text blocks are output.
Nothing else is allowed, so that no block is skipped by accident.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tools.testing.launch import child_environment
from tools.workspace import ROOT

__all__ = ["Block", "BlockError", "blocks", "run_story"]

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>\S*)[^\n`]*$")
FILE_NAME = re.compile(r"# ([\w.-]+\.py) *\n")
TIMEOUT = 120
SHIMS = ("pip", "pip3", "hatch", "git")


class BlockError(AssertionError):
    """A block of a README does not do what the README says."""


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    line: int
    text: str


def blocks(text: str) -> list[Block]:
    """Find the fenced blocks of a Markdown text."""
    found: list[Block] = []
    start, opening, body = 0, None, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        fence = FENCE.match(line)
        if opening is None:
            if fence:
                start, opening, body = number, fence, []
        elif fence and fence["ticks"] == opening["ticks"] and not fence["language"]:
            found.append(Block(opening["language"], start, "\n".join(body) + "\n"))
            opening = None
        else:
            body.append(line.removeprefix(opening["indent"]))
    if opening is not None:
        raise BlockError(f"the block that starts in line {start} is never closed")
    return found


def run_story(readme: Path, folder: Path) -> None:
    """Run all blocks of a README, one after the other, in an empty folder."""
    shims = folder / ".shims"
    shims.mkdir()
    for name in SHIMS:
        _write_shim(shims / name, f'exec "{sys.executable}" -m tools.testing.shims {name} "$@"')
    # `python -m pip` is a call of pip as well
    _write_shim(
        shims / "python",
        'if [ "$1 $2" = "-m pip" ]; then shift 2; exec pip "$@"; fi',
        f'exec "{sys.executable}" "$@"',
    )
    for block in blocks(readme.read_text()):
        _run_block(block, folder, shims, readme)


def _run_block(block: Block, folder: Path, shims: Path, readme: Path) -> None:
    match block.language:
        case "python":
            name = FILE_NAME.match(block.text)
            script = folder / (name[1] if name else f"block{block.line}.py")
            script.write_text(block.text)
            command = [sys.executable, script.name]
        case "bash":
            options = ["-n"] if block.text.startswith("#!") else ["-euo", "pipefail"]
            command = ["bash", *options, "-c", block.text]
        case "toml":
            tomllib.loads(block.text)
            return
        case "text":
            return
        case other:
            raise BlockError(f"line {block.line}: {other or 'unnamed'} blocks are not known")
    environment = child_environment(2)  # one thread a rank: blocks may call mpirun
    environment["PATH"] = f"{shims}:{environment['PATH']}"
    environment["PYTHONPATH"] = str(ROOT)
    environment["MPLBACKEND"] = "agg"
    try:
        process = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"{readme}:{block.line} took over {TIMEOUT} s\n{error.output}"
        raise BlockError(message) from error
    if process.returncode != 0:
        raise BlockError(
            f"{readme}:{block.line} ended with status {process.returncode}\n"
            f"{block.text}---\n{process.stdout}"
        )


def _write_shim(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
