"""What a reader of a report has to know about the data behind it."""

from __future__ import annotations

from energymeter.analysis.curves import EnergyCurve
from energymeter.analysis.ledger import Ledger
from energymeter.analysis.nodes import NodeData, is_stuck

__all__ = ["node_warnings"]

LEAST_COVERAGE = 0.99


def node_warnings(
    node: NodeData, window: tuple[int, int], ledger: Ledger, many: bool = False
) -> list[str]:
    """Warnings about a node's data, each a sentence with its remedy if there is one."""
    found = list(node.problems)
    if node.header.get("redirected"):
        found.append(f"sensor source redirected ({', '.join(node.header['redirected'])})")
    for entry in node.header.get("unavailable", ()):
        hint = f": {entry['hint']}" if entry["hint"] else ""
        found.append(f"{entry['id']} is unavailable, {entry['reason']}{hint}")
    if not node.complete:
        seconds = (node.span[1] - window[0]) / 1e9
        found.append(
            f"sampling ended {seconds:.1f} s after the start, before the application was seen to "
            "end: the agent was killed, or is still running; later energy is missing"
        )
        if spool := node.header.get("spool"):
            found.append(f"the node may still have what came later: copy {spool} to journal.emj")
    if any(event["event"] == "disk full" for event in node.events):
        found.append("the disk was full for a while")
    counted = [curve for curve, _ in ledger.curves]
    for curve in node.curves:
        if curve.sensor.is_energy and is_stuck(curve):
            found.append(f"{curve.sensor.id} never gave a value that changed: it is left out")
        elif curve.sensor.is_energy:
            found += _about(curve, window, curve in counted)
    found += ledger.warnings
    found += [
        f"{sensor.id} is not assigned to a component and not added: name one in the configuration"
        for sensor in node.sensors
        if not sensor.assigned
    ]
    return [f"{node.key}: {text}" for text in found] if many else found


def _about(curve: EnergyCurve, window: tuple[int, int], counted: bool) -> list[str]:
    flags, name = curve.flags, curve.sensor.id
    numbers = {
        "failed readings": flags.failed,
        "zeros that were failed reads": flags.glitches,
        "wraps (accounted for)": flags.wraps,
        "resets": flags.resets,
        "implausible readings (left out)": flags.implausible,
        "intervals with possibly several wraps": flags.ambiguous,
    }
    found = [f"{name}: {number} {what}" for what, number in numbers.items() if number]
    if flags.gaps:
        found.append(f"{name}: {flags.gaps:.1f} s of gaps between readings")
    coverage = curve.coverage(*window)
    if counted and coverage < LEAST_COVERAGE:
        found.append(f"{name}: only {coverage:.1%} of the time is covered; the rest is not counted")
    if counted and curve.sensor.duty < 1:
        found.append(f"{name} observes {curve.sensor.duty:.0%} of the time only")
    return found
