"""Power of nodes at rest, by node type: stored once, and part of each run measured after that."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from energymeter.environment import Environment

__all__ = ["baseline_path", "save_baseline", "stored_baseline"]


def baseline_path(environ: Mapping[str, str]) -> Path:
    """The user's file of baselines."""
    home = Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return home / "energymeter" / "baselines.json"


def stored_baseline(node_type: str, env: Environment) -> dict[str, float]:
    """Idle power in W by component; empty if none is stored for this type of node."""
    found = _read(baseline_path(env.environ)).get(_key(node_type, env), {})
    return {str(name): float(watts) for name, watts in found.items()}


def save_baseline(node_type: str, watts: Mapping[str, float], env: Environment) -> Path:
    """Store a baseline, in place of an older one of this type of node."""
    path = baseline_path(env.environ)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {**_read(path), _key(node_type, env): dict(watts)}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(values, indent=1))
    temporary.replace(path)
    return path


def _key(node_type: str, env: Environment) -> str:
    """What was read from redirected sources must never pass for this kind of node."""
    return f"{node_type} (redirected)" if env.redirected else node_type


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
