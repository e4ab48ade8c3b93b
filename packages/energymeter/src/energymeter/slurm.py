"""What Slurm's accounting says of a job step's energy: shown beside a run's own, never added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from energymeter.environment import Environment

if TYPE_CHECKING:
    from energymeter.run import Run

__all__ = ["consumed_energy", "slurm_line"]

FIELDS = "JobID,ConsumedEnergyRaw,ElapsedRaw,NNodes"
# what accounting writes where no plugin measures energy
NO_VALUE = ("", "0", "4294967294", "18446744073709551614")
TIMEOUT = 10.0


def consumed_energy(step: str, env: Environment) -> tuple[float | None, str]:
    """Energy of a job step in J, or None and the reason.

    Parameters
    ----------
    step : str
        Such as ``17.0``.
    """
    command = ("sacct", "-j", step, "-n", "-P", "-o", FIELDS)
    try:
        code, output, errors = env.run(command, TIMEOUT)
    except (OSError, TimeoutError) as error:
        return None, f"sacct: {error}"
    if code:
        return None, f"sacct: {errors.strip() or f'exit status {code}'}"
    for line in output.splitlines():
        job, joules, *_ = [*line.split("|"), "", ""]
        if job == step:
            if joules in NO_VALUE or not joules.isdigit():
                return None, "energy accounting is not configured"
            return float(joules), ""
    return None, f"accounting has no step {step} (yet)"


def slurm_line(run: Run, env: Environment) -> str | None:
    """A line that compares a run with the accounting; None if it was no step of a Slurm job.

    Accounting counts whole nodes: the ratio means something on exclusive ones only.
    """
    scheduler: Mapping[str, str] = run.manifest.get("scheduler", {})
    if not {"SLURM_JOB_ID", "SLURM_STEP_ID"} <= set(scheduler):
        return None
    step = f"{scheduler['SLURM_JOB_ID']}.{scheduler['SLURM_STEP_ID']}"
    joules, reason = consumed_energy(step, env)
    if joules is None:
        return f"Slurm accounting of step {step}: n/a ({reason})"
    own = run.result.total.joules
    ratio = f"{joules / own:.3f} of this report's" if own else "nothing to compare with"
    return f"Slurm accounting of step {step}: {joules:.6g} J, {ratio} (never added)"
