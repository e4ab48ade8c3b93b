"""Judge the records of all ranks: who hangs, which tests passed. Pure functions."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tools.testing.records import RankLog

__all__ = ["Detail", "State", "Stop", "TestResult", "judge", "judge_job", "why_stop"]

State = Literal["passed", "failed", "skipped", "not run"]

EXIT_GRACE = 2.0
IDLE_LIMIT = 180.0


@dataclass(frozen=True)
class Stop:
    """Why the runner ended a job, and the ranks to blame."""

    reason: str
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class Detail:
    """What some ranks have to say about a failed test."""

    ranks: tuple[int, ...]
    headline: str
    text: str = ""


@dataclass(frozen=True)
class TestResult:
    """The outcome of one test over all ranks."""

    name: str
    state: State
    details: tuple[Detail, ...] = ()
    seconds: float = 0.0


def why_stop(logs: Sequence[RankLog], now: float, grace: float) -> Stop | None:
    """Say whether the job can no longer come to a good end.

    Parameters
    ----------
    logs
        The records so far, one per rank.
    now
        The present time on the clock of the records.
    grace
        Seconds that ranks may take to follow one that has failed.
    """
    dead = [log.rank for log in logs if log.crashed and now - log.exit_time > EXIT_GRACE]
    if dead:
        return Stop("ended before its session did", tuple(dead))
    for log in logs:
        failure = log.failure(log.current) if log.current else None
        if failure is None or now - failure.time < grace:
            continue
        behind = [o.rank for o in logs if o.current == log.current and not o.waits(o.current or "")]
        if behind:
            return Stop(
                f"still in the test {grace:g} s after rank {log.rank} had failed", tuple(behind)
            )
    overdue = [log for log in logs if log.current and 0 < log.limit < now - log.since]
    if overdue:
        # not to blame: who has finished the test, even if its time is up first
        running = [log for log in logs if log.current and not log.waits(log.current)] or overdue
        limit = overdue[0].limit
        return Stop(f"timed out after {limit:g} s", tuple(log.rank for log in running))
    idle = [log.rank for log in logs if log.current is None and log.exit_status is None]
    if idle and all(now - log.latest > IDLE_LIMIT for log in logs):
        return Stop(f"nothing happened for {IDLE_LIMIT:g} s", tuple(idle))
    return None


def judge(
    logs: Sequence[RankLog], stop: Stop | None, evidence: Callable[[int], str]
) -> list[TestResult]:
    """Merge the ranks: a test passed if it passed on all of them.

    Parameters
    ----------
    logs
        The final records, one per rank.
    stop
        Why the runner ended the job, if it did.
    evidence
        The stack, or else the last output, of a rank that did not finish its test.
    """
    names = dict.fromkeys(
        name for log in logs for name in (*log.selected, *log.reports, log.current) if name
    )
    first_dead = _first_dead(logs)
    results = [_judge_test(name, logs, stop, first_dead, evidence) for name in names]
    times = {name: max(log.seconds.get(name, 0.0) for log in logs) for name in names}
    return [replace(result, seconds=times[result.name]) for result in results]


def judge_job(
    logs: Sequence[RankLog], stop: Stop | None, evidence: Callable[[int], str]
) -> tuple[Detail, ...]:
    """What went wrong outside any test: in the start, the collection or the end of the session."""
    if any(log.current for log in logs):
        return ()
    if stop is not None:
        return tuple(Detail((rank,), stop.reason, evidence(rank)) for rank in stop.ranks)
    dead = _first_dead(logs)
    if dead is not None:
        return (Detail((dead.rank,), _how_it_ended(dead), evidence(dead.rank)),)
    missing = tuple(log.rank for log in logs if not log.ended)
    return (Detail(missing, "never ran"),) if missing else ()


def _judge_test(
    name: str,
    logs: Sequence[RankLog],
    stop: Stop | None,
    first_dead: RankLog | None,
    evidence: Callable[[int], str],
) -> TestResult:
    details: list[Detail] = []
    states: dict[str, list[int]] = {}
    for log in logs:
        state = _state(log, name)
        states.setdefault(state, []).append(log.rank)
        failure = log.failure(name)
        if failure is not None:
            where = "failed" if failure.phase == "call" else f"failed in {failure.phase}"
            details.append(Detail((log.rank,), where, failure.text))
        elif state == "in flight":
            details.append(_in_flight(log, name, stop, first_dead, evidence))
    if details:
        return TestResult(name, "failed", _group(details))
    if set(states) == {"not run"}:
        return TestResult(name, "not run")
    if len(states) > 1:
        split = tuple(Detail(tuple(ranks), state) for state, ranks in states.items())
        return TestResult(name, "failed", split)
    return TestResult(name, "skipped" if "skipped" in states else "passed")


def _state(log: RankLog, name: str) -> str:
    if log.current == name:
        return "in flight"
    outcomes = [report.outcome for report in log.reports.get(name, [])]
    if not outcomes:
        return "not run"
    return next((outcome for outcome in outcomes if outcome != "passed"), "passed")


def _in_flight(
    log: RankLog,
    name: str,
    stop: Stop | None,
    first_dead: RankLog | None,
    evidence: Callable[[int], str],
) -> Detail:
    if first_dead is not None and log.rank == first_dead.rank:
        return Detail((log.rank,), _how_it_ended(log), evidence(log.rank))
    if stop is not None and log.rank in stop.ranks:
        return Detail((log.rank,), stop.reason, evidence(log.rank))
    if log.waits(name):
        return Detail((log.rank,), "had finished the test and waited for the others")
    return Detail((log.rank,), "was in the test when the job ended")


def _first_dead(logs: Sequence[RankLog]) -> RankLog | None:
    """The rank whose death ended the job; the launcher killed the others after it."""
    return min((log for log in logs if log.crashed), key=lambda log: log.exit_time, default=None)


def _how_it_ended(log: RankLog) -> str:
    status = log.exit_status or 0
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with exit status {status}"


def _group(details: Sequence[Detail]) -> tuple[Detail, ...]:
    """Say once what several ranks say."""
    groups: dict[tuple[str, str], list[int]] = {}
    for detail in details:
        groups.setdefault((detail.headline, detail.text), []).extend(detail.ranks)
    return tuple(Detail(tuple(ranks), *what) for what, ranks in groups.items())
