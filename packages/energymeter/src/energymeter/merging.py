"""Putting the directories of one run together that nodes wrote apart, such as on local disks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from energymeter.errors import RunError
from energymeter.run import Run, load

__all__ = ["merge"]


def merge(folders: Sequence[Path], output: Path) -> Run:
    """Copy the nodes and events of several run directories into a new one.

    Parameters
    ----------
    folders : sequence of Path
        Run directories of different nodes; the first one's label and command are kept.
    output : Path
        The new run directory; it appears complete or not at all.

    Returns
    -------
    The merged run.

    Raises
    ------
    RunError
        If `output` exists, if one of `folders` is no run, or if a node is in two of them.
    """
    if output.exists():
        raise RunError(f"{output} exists already: name a new directory")
    manifests = []
    sources: dict[str, Path] = {}
    for folder in folders:
        manifests.append(load(folder).manifest)
        for node in sorted((folder / "nodes").iterdir()):
            if node.name in sources:
                raise RunError(
                    f"node {node.name} is in {sources[node.name].parents[1]} and in {folder}: "
                    "these are two runs; use energymeter compare"
                )
            sources[node.name] = node
    temporary = output.with_name(f".{output.name}.new")
    (temporary / "events").mkdir(parents=True)
    for name, node in sources.items():
        shutil.copytree(node, temporary / "nodes" / name)
    for folder in folders:
        for events in sorted((folder / "events").glob("*.eme")):
            shutil.copy2(events, temporary / "events" / events.name)
    merged = {
        **manifests[0],
        "run_id": output.name,
        "started": min(manifest["started"] for manifest in manifests),
        "ranks": _ranks(manifests),
        "merged": [manifest["run_id"] for manifest in manifests],
    }
    (temporary / "manifest.json").write_text(json.dumps(merged, indent=1))
    temporary.rename(output)
    return load(output)


def _ranks(manifests: Sequence[Mapping[str, Any]]) -> int:
    """Nodes of one job know the number of all its ranks; single runs have one each."""
    sizes = [int(manifest["ranks"]) for manifest in manifests]
    return max(sizes) if max(sizes) > 1 else len(sizes)
