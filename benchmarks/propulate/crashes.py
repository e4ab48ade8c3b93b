"""Ranks that are killed: what is lost, and what is counted twice.

``python benchmarks/propulate/crashes.py [--quick] [--json FILE]``. Twenty times, a search on a
random number of ranks is started, one of its ranks is killed (SIGKILL) at a random moment, and the
next one continues on another number of ranks. After each kill the journals are compared with those
before; at the end, the run is completed, and its evaluations are compared with what the loss
function itself wrote down.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from propulate import load_result
from propulate.engine.worker import RESULT
from propulate.storage.history import codec_of, read_history

PROGRAM = """
import os, sys, time
from pathlib import Path
from propulate import Float, Propulator

folder, budget = Path(sys.argv[1]), int(sys.argv[2])

def loss(params):
    time.sleep(0.01)
    value = (params["x"] - 1) ** 2 + params["n"]
    with open(folder / f"losses-{os.getpid()}", "a") as file:
        file.write(f"{tuple(params.uid)} {value!r}\\n")
    return value

search = Propulator(
    loss, limits={"x": Float(-5, 5), "n": (0, 9)}, max_evaluations=budget, checkpoint_path=folder,
    max_crashes=1000,
)
(folder / f"rank-{search.rank}").write_text(str(os.getpid()))
search.propulate()
"""


INHERITED = ("PMI_", "PMIX_", "OMPI_COMM_", "OMPI_UNIVERSE_", "PRTE_LAUNCHED", "HYDI_")
# what a launcher tells its ranks: these jobs are none of its
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(INHERITED)}


def mpirun(ranks: int, *words: str) -> list[str]:
    """The command that runs a Python program on several ranks."""
    beside = Path(sys.executable).with_name("mpirun")
    launcher = str(beside) if beside.exists() else shutil.which("mpirun")
    if launcher is None:
        raise FileNotFoundError("no mpirun: `pip install mpich`")
    return [launcher, "-n", str(ranks), sys.executable, *words]


def finished(folder: Path) -> dict[tuple[int, ...], float]:
    """Uid and loss of each finished evaluation in the journals."""
    history = read_history(folder / "propulate")
    if not history.header:
        return {}
    codec = codec_of(history.header)
    frames = [record for kind, record in history.frames.get(0, []) if kind == RESULT]
    found = [codec.decode(record) for record in frames]
    assert len({ind.uid for ind in found}) == len(found), "an evaluation is there twice"
    return {tuple(ind.uid): ind.loss for ind in found}


def kill_one(command: list[str], folder: Path, ranks: int, rng: random.Random) -> bool:
    """Start the job and kill one of its ranks; False if it was faster."""
    for old in folder.glob("rank-*"):
        old.unlink()
    job = subprocess.Popen(
        command,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while len(list(folder.glob("rank-*"))) < ranks and job.poll() is None:
        time.sleep(0.01)
    time.sleep(rng.uniform(0.0, 1.0))
    victim = folder / f"rank-{rng.randrange(ranks)}"
    if job.poll() is None and victim.exists() and victim.read_text():
        os.kill(int(victim.read_text()), signal.SIGKILL)
    try:
        job.wait(20)
    except subprocess.TimeoutExpired:  # some launchers leave the other ranks to the scheduler
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
    return job.returncode != 0


def main() -> None:
    """Kill, continue, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng = random.Random(0)
    wanted, budget = (3, 400) if options.quick else (20, 4000)
    killed, lost = 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder, program = Path(name), Path(name) / "search.py"
        program.write_text(PROGRAM)
        before: dict[tuple[int, ...], float] = {}
        for attempt in range(wanted):
            ranks = 2 + (attempt + rng.randrange(2)) % 3
            command = mpirun(ranks, str(program), name, str(budget))
            killed += kill_one(command, folder, ranks, rng)
            after = finished(folder)
            lost += sum(after.get(uid) != loss for uid, loss in before.items())
            before = after
            print(f"{attempt + 1}: {ranks} ranks, {len(after)} evaluations in the journals")
        end = len(before) + 20
        last = mpirun(2, str(program), name, str(end))
        subprocess.run(last, env=ENVIRONMENT, check=True, timeout=120)
        result = load_result(folder / "propulate")
        written = [line.rsplit(" ", 1) for path in folder.glob("losses-*") for line in _lines(path)]
        known = {str(tuple(ind.uid)): repr(ind.loss) for ind in result}
        truth = {(uid, value) for uid, value in written}
        wrong = sum((uid, value) not in truth for uid, value in known.items())
        outside = sum(not -5 <= ind["x"] <= 5 for ind in result)
    summary = {
        "killed": killed,
        "finished evaluations lost": lost,
        "evaluations with a wrong loss": wrong,
        "counted twice or too many": len(result) - end,
        "outside of the limits": outside,
    }
    for what, number in summary.items():
        print(f"{what}: {number}")
    if options.json:
        options.json.write_text(json.dumps(summary, indent=2))
    sys.exit(int(any(list(summary.values())[1:])))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


if __name__ == "__main__":
    main()
