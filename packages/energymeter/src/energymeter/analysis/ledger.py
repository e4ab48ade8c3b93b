"""The ledger of a node: which components count, and what they add up to.

Containment is declared by sensors. A package counts, and its cores are only listed. A platform or
the whole node counts through its parts and one row for what they leave, so that rows always add up
to the total. Several sources of a component: the best counts, the others are cross-checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from energymeter.analysis.curves import EnergyCurve
from energymeter.analysis.uncertainty import random_error, systematic_error
from energymeter.sensors import Kind, Provenance, component_class

__all__ = ["CrossCheck", "Ledger", "Row", "Source", "make_ledger"]

KINDS = (Kind.ENERGY_COUNTER, Kind.POWER_AVERAGE, Kind.POWER_INSTANT)
PSYS = "node/platform"


@dataclass(frozen=True)
class Source:
    """A candidate for a component's energy; `factors` widen an estimate to its interval."""

    curve: EnergyCurve
    factors: tuple[float, float] = (1.0, 1.0)
    method: str = ""

    @property
    def component(self) -> str:
        """Where it belongs."""
        return self.curve.sensor.component

    @property
    def order(self) -> tuple[int, int]:
        """Smaller is better."""
        sensor = self.curve.sensor
        modelled = sensor.provenance is not Provenance.MEASURED
        return (modelled, KINDS.index(sensor.kind))


@dataclass(frozen=True)
class Row:
    """Energy of one component over a window; all energies in J, one sigma for `u_random`.

    `counted`: whether it is part of the sum; rows that are not show what others contain. `idle`:
    what the component would have used at rest, if its baseline is known.
    """

    component: str
    joules: float
    provenance: Provenance
    method: str
    low: float
    high: float
    u_random: float = 0.0
    u_systematic: float = 0.0
    coverage: float = 1.0
    counted: bool = True
    unused: bool = False
    idle: float | None = None

    @property
    def kind(self) -> str:
        """Class of the component."""
        return component_class(self.component)


@dataclass(frozen=True)
class CrossCheck:
    """A second source beside the one that counts."""

    component: str
    source: str
    joules: float
    ratio: float


@dataclass(frozen=True)
class Ledger:
    """Rows of a node, and what they add up to."""

    rows: tuple[Row, ...]
    seconds: float
    cross_checks: tuple[CrossCheck, ...] = ()
    warnings: tuple[str, ...] = ()
    curves: tuple[tuple[EnergyCurve, float], ...] = field(default=(), repr=False, compare=False)
    constant: float = 0.0

    @property
    def counted(self) -> tuple[Row, ...]:
        """Rows that are part of the sum."""
        return tuple(row for row in self.rows if row.counted)

    def total(self, provenance: Provenance | None = None) -> float:
        """Sum of the counted rows in J, of one provenance or of all."""
        rows = self.counted
        return sum(r.joules for r in rows if provenance is None or r.provenance is provenance)


def make_ledger(
    sources: Iterable[Source],
    start: int,
    stop: int,
    *,
    prefer: str = "",
    other_power: float = 0.0,
    cross: Sequence[Source] = (),
    unused: Callable[[str, float], bool] = lambda _component, _watts: False,
) -> Ledger:
    """The ledger of a node over [start, stop] (ns).

    Parameters
    ----------
    sources : iterable of Source
        In the order in which ties are broken.
    prefer : {"", "psys"}
        Whether the whole platform of a client counts instead of its packages.
    other_power : float
        W of parts without a sensor, from the user; not used if there is a node sensor.
    cross : sequence of Source
        Sources that are only compared.
    unused : callable
        From an accelerator and its mean power to whether the job left it alone.
    """
    seconds = (stop - start) / 1e9
    primary, rest = _primaries(sources)
    counted, containers = _split(primary, prefer)
    rows, warnings = [], []
    for component, source in primary.items():
        if component != "node" and component not in containers:
            row = _row(source, start, stop, component in counted)
            idle = row.kind == "gpu" and unused(component, row.joules / seconds if seconds else 0)
            rows.append(_replace_unused(row) if idle else row)
    curves = [(primary[c].curve, 1.0) for c in primary if c in counted]
    top = ["node"] if "node" in primary else containers
    for container in top:
        inside = [r for r in rows if r.counted and _contains(container, primary, r.component)]
        remainder, warning = _remainder(primary[container], inside, start, stop)
        rows.append(remainder)
        warnings += warning
        curves = [
            (c, s) for c, s in curves if not _contains(container, primary, c.sensor.component)
        ]
        curves.append((primary[container].curve, 1.0))
    rows += [
        _row(source, start, stop, counted=False)
        for component, source in primary.items()
        if component not in top and (component == "node" or component in containers)
    ]
    constant = other_power if "node" not in primary else 0.0
    if constant:
        energy = constant * seconds
        rows.append(Row("node/other", energy, Provenance.USER, "user's constant", energy, energy))
    checks = tuple(_cross_checks([*rest, *cross], primary, start, stop))
    return Ledger(tuple(rows), seconds, checks, tuple(warnings), tuple(curves), constant)


def _primaries(sources: Iterable[Source]) -> tuple[dict[str, Source], list[Source]]:
    primary: dict[str, Source] = {}
    rest: list[Source] = []
    for source in sources:
        best = primary.get(source.component)
        if best is None or source.order < best.order:
            primary[source.component] = source
            rest += [best] if best is not None else []
        else:
            rest.append(source)
    return primary, rest


def _split(primary: Mapping[str, Source], prefer: str) -> tuple[set[str], list[str]]:
    """Leaves that count, and platforms that count through their parts."""
    platforms = [
        c
        for c, s in primary.items()
        if component_class(c) == "platform" and s.curve.sensor.contains
    ]
    outer = [c for c in platforms if not any(_contains(p, primary, c) for p in platforms if p != c)]
    counted = set()
    for component, source in primary.items():
        if component == "node" or component in platforms:
            continue
        holders = [
            other
            for other in primary
            if other not in platforms
            and other not in ("node", component)
            and _contains(other, primary, component)
        ]
        # an estimate is no part of a measured node: what it estimates is in the node's remainder
        within = "node" in primary and source.order[0] > primary["node"].order[0]
        if not within and not any(primary[h].order[0] <= source.order[0] for h in holders):
            counted.add(component)
    finer = any(
        _contains(PSYS, primary, c) and not primary[c].order[0] for c in counted if PSYS in primary
    )
    return counted, [p for p in outer if p != PSYS or prefer == "psys" or not finer]


def _contains(container: str, primary: Mapping[str, Source], component: str) -> bool:
    if container == "node":
        return component != "node"
    if container == component:
        return False
    return any(fnmatchcase(component, p) for p in primary[container].curve.sensor.contains)


def _row(source: Source, start: int, stop: int, counted: bool) -> Row:
    curve = source.curve
    joules = float(curve.between(start, stop))
    random, systematic = random_error(curve, start, stop), systematic_error(curve, joules)
    modelled = curve.sensor.provenance is Provenance.MODELLED
    spread = 0.0 if modelled else 2 * random + systematic
    return Row(
        curve.sensor.component,
        joules,
        curve.sensor.provenance,
        source.method or f"{curve.sensor.id}, {curve.sensor.kind.value.replace('_', ' ')}",
        joules * source.factors[0] - spread,
        joules * source.factors[1] + spread,
        0.0 if modelled else random,
        systematic,
        curve.coverage(start, stop),
        counted,
    )


def _replace_unused(row: Row) -> Row:
    from dataclasses import replace

    return replace(row, unused=True)


def _remainder(
    source: Source, inside: Sequence[Row], start: int, stop: int
) -> tuple[Row, list[str]]:
    """What a container measures beyond its parts: also if it is negative, so that sums hold."""
    whole = _row(source, start, stop, counted=True)
    joules = whole.joules - sum(row.joules for row in inside)
    random = (whole.u_random**2 + sum(row.u_random**2 for row in inside)) ** 0.5
    systematic = whole.u_systematic + sum(row.u_systematic for row in inside)
    name = "node/other" if source.component == "node" else f"{source.component}/other"
    warnings = []
    if joules < -2 * random - systematic - 1e-9:
        warnings.append(
            f"inconsistent: {source.curve.sensor.id} measures {-joules:.4g} J less than the sum "
            "of the parts that it contains"
        )
    spread = 2 * random + systematic
    method = f"{source.curve.sensor.id} less its parts"
    row = Row(
        name,
        joules,
        whole.provenance,
        method,
        joules - spread,
        joules + spread,
        random,
        systematic,
        whole.coverage,
    )
    return row, warnings


def _cross_checks(
    sources: Iterable[Source], primary: Mapping[str, Source], start: int, stop: int
) -> Iterable[CrossCheck]:
    for source in sources:
        best = primary.get(source.component)
        if best is None or source is best:
            continue
        joules = float(source.curve.between(start, stop))
        reference = float(best.curve.between(start, stop))
        ratio = joules / reference if reference else float("nan")
        yield CrossCheck(source.component, source.curve.sensor.id, joules, ratio)
