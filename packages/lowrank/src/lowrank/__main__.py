"""``python -m lowrank``: what is in a checkpoint, and checkpoints in other forms."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m lowrank", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser("report", help="layers, ranks and sizes of a checkpoint")
    report.add_argument("checkpoint", type=Path)
    convert = commands.add_parser("convert", help="a dense checkpoint, or with a rule a factored")
    convert.add_argument("source", type=Path)
    convert.add_argument("target", type=Path)
    rules = convert.add_mutually_exclusive_group()
    rules.add_argument("--cutoff", type=float, help="share of the largest singular value")
    rules.add_argument("--energy", type=float, help="share of the sum of squares")
    rules.add_argument("--rank", type=float, help="a rank, or a share of the full one")
    given = parser.parse_args(arguments)
    try:
        if given.command == "report":
            _report(given.checkpoint)
        else:
            _convert(given)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _read(path: Path) -> dict[str, Any]:
    """The state dict in a file, be it one of `lowrank.save` or a bare one."""
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(state, dict):
        state = state.get("model", state)
    if not isinstance(state, dict) or not any(isinstance(x, torch.Tensor) for x in state.values()):
        raise ValueError(f"{path} has no state dict")
    return state


def _report(path: Path) -> None:
    from lowrank.costs import stored
    from lowrank.loading import layers_of

    state = _read(path)
    layers = layers_of(state)
    width = max((len(name) for name in layers), default=5)
    print(f"{'layer':{width}}  form  {'rank':>11}  {'stored':>12}  {'dense':>12}")
    total = dense = 0
    for name, (view, form, rank) in layers.items():
        size = stored(view, form, rank)
        total, dense = total + size, dense + view.numel
        place = f"{rank}/{view.max_rank}"
        print(f"{name:{width}}  {form:4}  {place:>11}  {size:12,}  {view.numel:12,}")
    inside = tuple(f"{name}.{part}" for name in layers for part in ("U", "S", "V", "A", "B"))
    other = sum(
        x.numel()
        for key, x in state.items()
        if key not in inside and not key.endswith(("layout", "is_split", "scale"))
    )
    share = 100 * (total + other) / max(1, dense + other)
    print(f"{len(layers)} factored layers; {total + other:,} numbers, {share:.1f} % of the dense")


def _convert(given: argparse.Namespace) -> None:
    import torch

    from lowrank.export import to_dense_state_dict
    from lowrank.loading import factor_state_dict
    from lowrank.ranks import RankRule

    state = to_dense_state_dict(_read(given.source))
    for kind in ("cutoff", "energy", "rank"):
        value = getattr(given, kind)
        if value is not None:
            names = {"cutoff": "relative", "rank": "fixed", "energy": "energy"}
            state = factor_state_dict(state, RankRule(names[kind], value))  # type: ignore[arg-type]
    torch.save({key: x.contiguous() for key, x in state.items()}, given.target)
    sizes = [path.stat().st_size / 1e6 for path in (given.source, given.target)]
    print(f"{sizes[0]:.2f} MB -> {sizes[1]:.2f} MB")


if __name__ == "__main__":
    sys.exit(main())
