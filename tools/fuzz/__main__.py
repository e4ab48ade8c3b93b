"""``python -m tools.fuzz [TARGET ...] [--minutes 10]``: damaged files for all that reads some.

Each target runs in a process of its own, so that one that crashes is noticed. What is found is
printed once for each place in the code, with the file that led to it. The exit status is 0 if
nothing was found.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import math
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from tools.fuzz.mutation import mutated
from tools.fuzz.targets import TARGETS, Target

SECONDS_EACH = 10
MEMORY = 1 << 30  # that one input may need beyond what is there already


def main() -> int:
    """Fuzz all targets, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return fuzz(options.targets[0], options.minutes, seed=options.seed, keep=options.keep)
    failures = 0
    for name in options.targets or TARGETS:
        command = [sys.executable, "-m", "tools.fuzz", name, "--child"]
        command += ["--minutes", str(options.minutes), "--seed", str(options.seed)]
        ended = subprocess.run([*command, "--keep", str(options.keep)], check=False)
        failures += ended.returncode != 0
        if ended.returncode < 0:
            print(f"{name}: died of signal {-ended.returncode}; input in {options.keep / name}")
    return int(failures > 0)


def fuzz(
    name: str,
    minutes: float = math.inf,
    rounds: float = math.inf,
    *,
    seed: int,
    keep: Path,
    guarded: bool = True,
) -> int:
    """Damage one target's files and read them, until the time is up or all rounds are done.

    ``guarded`` limits the time that an input may take and the memory of the process from then on,
    and ends all logging: for processes that do nothing else.
    """
    target, rng = TARGETS[name], random.Random(seed)  # noqa: S311
    folder = keep / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "input").mkdir(parents=True)
    files = target.prepare(folder / "input")
    intact = {file: file.read_bytes() for file in files}
    target.read(folder / "input")  # what is intact can be read
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if guarded:
        _guard()
    end, runs, refused = time.monotonic() + 60 * minutes, 0, 0
    found: dict[str, str] = {}
    while time.monotonic() < end and runs < rounds:
        file = rng.choice(files)
        file.write_bytes(mutated(intact[file], rng))
        kind, message = attempt(target, folder / "input", SECONDS_EACH if guarded else 0)
        refused += kind == "refused"
        runs += 1
        if message and kind not in found:
            case = folder / f"found-{len(found)}"
            case.write_bytes(file.read_bytes())
            found[kind] = message
            print(f"{name}: {kind}: {message}\n  {file.name} as in {case}", flush=True)
        file.write_bytes(intact[file])
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used
    print(
        f"{name}: {runs:,} damaged inputs, {refused:,} refused, {len(found)} kinds of findings, "
        f"memory grew by {grown >> 10} MiB",
        flush=True,
    )
    return int(bool(found))


def _guard() -> None:
    faulthandler.enable()
    logging.disable()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _too_long)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY, hard))


def attempt(target: Target, folder: Path, seconds: int = 0) -> tuple[str, str]:
    """Read once: "read", "refused", or the kind and the message of what should not have been."""
    signal.alarm(seconds)
    try:
        target.read(folder)
    except target.errors:
        return "refused", ""
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return (
            f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}",
            f"{error!s:.100}",
        )
    finally:
        signal.alarm(0)
    return "read", ""


class _TooLongError(Exception):
    """An input took longer than it may."""


def _too_long(*_: object) -> None:
    raise _TooLongError(f"more than {SECONDS_EACH} s")


def _address_space() -> int:
    """Bytes that this process has mapped."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
