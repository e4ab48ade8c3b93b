"""Comparing runs: node types, labels, phases; and how wrong runtime would be as a proxy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from energymeter.errors import ConfigurationError
from energymeter.run import Run, load

if TYPE_CHECKING:
    from energymeter.analysis.events import Step
    from energymeter.report.tables import Table

__all__ = ["Comparison", "Group", "PhaseGroup", "compare", "log_ratio_interval"]


@dataclass(frozen=True)
class Group:
    """Means over the runs of a group; energies in J, times in s, powers in W.

    `ratio` to the reference group, with a 95 % interval (nan for fewer than 3 runs); `proxy_error`:
    what runtime · power of the reference would have been wrong by; `estimate`: whether a part of
    the energy is modelled.
    """

    name: str
    runs: int
    seconds: float
    joules: float
    classes: dict[str, float]
    unused: float
    samples: float
    steps: float
    ratio: float
    interval: tuple[float, float]
    proxy_error: float
    estimate: bool

    @property
    def watts(self) -> float:
        """Mean power."""
        return self.joules / self.seconds if self.seconds else math.nan

    @property
    def per_sample(self) -> float:
        """J per sample; nan if none were counted."""
        return self.joules / self.samples if self.samples else math.nan

    @property
    def delay_product(self) -> float:
        """Energy · time in J·s."""
        return self.joules * self.seconds


@dataclass(frozen=True)
class PhaseGroup:
    """A phase on a kind of node; `fastest` and `thriftiest` of all groups in that phase."""

    group: str
    phase: str
    seconds: float
    joules: float
    per_sample: float
    fastest: bool
    thriftiest: bool


@dataclass(frozen=True)
class Comparison:
    """Groups of runs, the first one is the reference, and their phases."""

    groups: tuple[Group, ...]
    phases: tuple[PhaseGroup, ...]
    by: str
    per: str = "run"

    def tables(self) -> list[Table]:
        """As tables of text."""
        from energymeter.report.comparison import comparison_tables

        return comparison_tables(self)

    def table(self) -> str:
        """As text."""
        from energymeter.report.tables import as_text

        return "\n\n".join(as_text(table) for table in self.tables()) + "\n"


def compare(
    runs: Sequence[Run | str | Path],
    *,
    by: str = "node-type",
    reference: str | None = None,
    per: str = "run",
) -> Comparison:
    """Compare runs in groups.

    Parameters
    ----------
    runs : sequence of Run or path
    by : {"node-type", "label", "run"}
    reference : str, optional
        Name of the group that others are compared with; default: the first run's.
    per : {"run", "step", "sample"}
        Whether ratios are those of the energy of runs, or for each step or sample, where runs did
        not do the same amount of work.

    Raises
    ------
    ConfigurationError
        If there is nothing to compare, or no such group.
    """
    keys: dict[str, Callable[[Run], str]] = {
        "node-type": lambda run: run.node_type,
        "label": lambda run: run.label,
        "run": lambda run: run.run_id,
    }
    if by not in keys:
        raise ConfigurationError(f"by={by!r}: use one of {', '.join(keys)}")
    groups: dict[str, list[Run]] = {}
    for entry in runs:
        run = entry if isinstance(entry, Run) else load(entry)
        groups.setdefault(keys[by](run), []).append(run)
    if not groups:
        raise ConfigurationError("there are no runs to compare")
    first = reference or next(iter(groups))
    if first not in groups:
        raise ConfigurationError(f"there is no group {first!r}: there are {', '.join(groups)}")
    ordered = [first, *(name for name in groups if name != first)]
    if per not in PER:
        raise ConfigurationError(f"per={per!r}: use one of {', '.join(PER)}")
    found = [_group(name, groups[name], groups[first], per) for name in ordered]
    return Comparison(tuple(found), tuple(_phases({n: groups[n] for n in ordered})), by, per)


def log_ratio_interval(values: Sequence[float], reference: Sequence[float]) -> tuple[float, float]:
    """95 % t interval of the ratio of geometric means; nan for fewer than 3 of either."""
    if min(len(values), len(reference)) < 3 or min(*values, *reference) <= 0:
        return (math.nan, math.nan)
    a, b = [math.log(v) for v in values], [math.log(v) for v in reference]
    va = sum((x - fmean(a)) ** 2 for x in a) / (len(a) - 1) / len(a)
    vb = sum((x - fmean(b)) ** 2 for x in b) / (len(b) - 1) / len(b)
    error = math.sqrt(va + vb)
    # Welch's degrees of freedom
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1)) if error else 1.0
    half = _student_975(freedom) * error
    middle = fmean(a) - fmean(b)
    return math.exp(middle - half), math.exp(middle + half)


# quantiles 0.975 of Student's t for 1, 2, ... degrees of freedom, from its table
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
STUDENT_AT = ((12.0, 2.179), (15.0, 2.131), (20.0, 2.086), (30.0, 2.042), (60.0, 2.0))


def _student_975(freedom: float) -> float:
    """Rounded to the side of the wider interval."""
    if freedom < 11:
        return STUDENT[max(1, int(freedom)) - 1]
    return next((t for limit, t in reversed(STUDENT_AT) if freedom >= limit), STUDENT[-1])


PER: dict[str, Callable[[Step], int]] = {
    "run": lambda _step: 0,
    "step": lambda _step: 1,
    "sample": lambda step: step.samples,
}


def _work(run: Run, per: str) -> float:
    """What a run's energy is divided by for ratios; nan if it counted nothing."""
    if per == "run":
        return 1.0
    return sum(PER[per](step) for p in run.processes for step in p.steps) or math.nan


def _group(name: str, runs: Sequence[Run], reference: Sequence[Run], per: str) -> Group:
    joules = [run.result.total.joules for run in runs]
    seconds = [run.result.seconds for run in runs]
    base = [run.result.total.joules for run in reference]
    each = [run.result.total.joules / _work(run, per) for run in runs]
    base_each = [run.result.total.joules / _work(run, per) for run in reference]
    base_seconds = [run.result.seconds for run in reference]
    watts = sum(base) / sum(base_seconds) if sum(base_seconds) else math.nan
    classes: dict[str, float] = {}
    for run in runs:
        for kind, value in run.result.by_class().items():
            classes[kind] = classes.get(kind, 0.0) + value / len(runs)
    steps = [step for run in runs for process in run.processes for step in process.steps]
    mean = fmean(joules)
    return Group(
        name,
        len(runs),
        fmean(seconds),
        mean,
        classes,
        fmean(run.result.unused_accelerators for run in runs),
        sum(step.samples for step in steps) / len(runs),
        len(steps) / len(runs),
        fmean(each) / fmean(base_each) if fmean(base_each) else math.nan,
        log_ratio_interval(each, base_each),
        fmean(seconds) * watts / mean - 1 if mean else math.nan,
        any(run.result.total.is_estimate for run in runs),
    )


def _phases(groups: dict[str, list[Run]]) -> list[PhaseGroup]:
    rows = []
    for name, runs in groups.items():
        names = dict.fromkeys(phase.name for run in runs for phase in run.phases())
        for phase in names:
            if phase == "unphased":
                continue
            parts = [p for run in runs for p in run.phases() if p.name == phase]
            samples = sum(p.samples for p in parts)
            total = sum(p.joules for p in parts)
            per_sample = total / samples if samples else math.nan
            rows.append(
                (name, phase, fmean(p.seconds for p in parts), total / len(runs), per_sample)
            )
    found = []
    for name, phase, seconds, joules, per_sample in rows:
        others = [row for row in rows if row[1] == phase]
        several = len(others) > 1
        fastest = several and seconds == min(row[2] for row in others)
        thriftiest = several and joules == min(row[3] for row in others)
        found.append(PhaseGroup(name, phase, seconds, joules, per_sample, fastest, thriftiest))
    return found
