"""Bar: from the first moment of the application to its last, however it ends, and no longer."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from energymeter.config import MeterConfig
from energymeter.run import load
from energymeter.testing import FakeNode, WaveServer
from energymeter.wrapper import Launch, launch

SOON = 2.0  # s from the application's end to that of the command
WINDOW = 0.010  # s


@pytest.fixture
def alone(monkeypatch):
    """Not a rank of the test runner's own job."""
    for name in list(os.environ):
        if name.startswith(("PMI", "OMPI", "HYD", "MPI_LOCAL", "ENERGYMETER", "SLURM")):
            monkeypatch.delenv(name)
    return monkeypatch


def test_the_window_is_the_application_s_own_time(alone, tmp_path, capfd):
    """A shell tells when it runs; starting and ending it belongs to the window as well."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    alone.setenv("ENERGYMETER_WAVES", "node/cpu0,counter,const:100")
    config = MeterConfig(model="never")
    script = "echo $EPOCHREALTIME; sleep 0.3; echo $EPOCHREALTIME"
    errors = []
    for _ in range(5):  # the system may let a process wait; it does not do so each time
        _, path = launch(Launch((bash, "-c", script), "window", config, tmp_path))
        first, last = map(float, capfd.readouterr().out.replace(",", ".").split())
        run = load(path)
        assert run.result.seconds >= last - first
        errors.append(run.result.seconds - (last - first))
        assert run.result.total.joules == pytest.approx(100 * run.result.seconds, abs=0.5)
    assert min(errors) <= WINDOW


END = "import pathlib, time\ntime.sleep(0.3)\npathlib.Path('end').write_text(repr(time.time()))\n"
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        time.sleep(8)
    os._exit(0)
os.wait()
"""


@pytest.mark.parametrize("before", ["", DAEMON], ids=["alone", "with a daemon"])
def test_the_command_returns_soon_after_the_application(place, agents, before):
    place.script(before + END)
    with place.start("run", "app.py") as process:
        process.wait(40)
        waited = time.time() - float((place.path / "end").read_text())
        assert process.returncode == 0
    assert waited < SOON
    run = place.latest()
    assert agents(run.path) == []
    assert run.result.seconds < 5


def test_sigint_for_the_wrapper_alone_interrupts_the_application(place, agents):
    place.script("import time\nprint('ready', flush=True)\ntime.sleep(40)")
    with place.start("run", "--report", "none", "app.py") as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 128 + signal.SIGINT
        assert "KeyboardInterrupt" in process.stderr.read()
    run = place.latest()
    assert run.status == "exit status 130"
    assert agents(run.path) == []
    assert run.result.total.joules == pytest.approx(120 * run.result.seconds, abs=2)


COUNTING = """
import signal, sys, time
count = []
signal.signal(signal.SIGINT, lambda *_: count.append(1))
print("ready", flush=True)
end = time.monotonic() + 40
while not count and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.5)
print("interrupted", len(count), flush=True)
sys.exit(3)
"""
TERMINAL = """
import os, sys
os.open(sys.argv[1], os.O_RDWR)  # the first one of a session becomes its terminal
os.execv(sys.executable, [sys.executable, "-m", "energymeter", *sys.argv[2:]])
"""


def test_control_c_reaches_the_application_once(place, agents):
    place.script(COUNTING)
    place.script(TERMINAL, "terminal.py")
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "terminal.py",
        os.ttyname(theirs),
        "run",
        "--report",
        "none",
        "app.py",
    ]
    process = subprocess.Popen(
        command, cwd=place.path, env=place.environ, start_new_session=True,
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(ours, 4096)
    os.write(ours, b"\x03")
    while not re.search(rb"interrupted \d", seen):
        seen += os.read(ours, 4096)
    assert process.wait(20) == 3
    os.close(ours)
    assert re.search(rb"interrupted (\d)", seen)[1] == b"1"
    run = place.latest()
    assert run.status == "exit status 3"
    assert agents(run.path) == []


def test_an_agent_that_was_suspended_loses_no_energy_of_counters(place, agents):
    place.environ["ENERGYMETER_WAVES"] = "node/cpu0,counter,const:100;node/gpu0,power,const:20"
    place.script("import time\nprint('ready', flush=True)\ntime.sleep(2)")
    with place.start("run", "--report", "none", "app.py") as process:
        process.stdout.readline()
        time.sleep(0.4)
        (run_dir,) = (place.path / "energymeter" / "app").iterdir()
        (agent,) = agents(run_dir)
        os.kill(agent, signal.SIGSTOP)
        time.sleep(1)
        os.kill(agent, signal.SIGCONT)
        assert process.wait(20) == 0
    run = load(run_dir)
    rows = {row.component: row.joules for row in run.ledger()}
    assert rows["node/cpu0"] == pytest.approx(100 * run.result.seconds, abs=1)
    assert any("gaps" in warning for warning in run.result.warnings)


def test_files_that_change_a_thousand_times_a_second(alone, tmp_path):
    """The whole chain in real time: a writer of counters, the agent, the report."""
    wave, errors = "square:0.7:50:250", []
    server = [sys.executable, "-m", "energymeter.testing.wave_server", "--wave", wave]
    with subprocess.Popen(
        [*server, "--root", str(tmp_path / "node")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().startswith("serving")
        alone.setenv("ENERGYMETER_SYSROOT", str(tmp_path / "node"))
        config = MeterConfig(backends="rapl,-proc", model="never")
        for _ in range(3):  # a writer that had to wait for a CPU is late; not each time
            _, path = launch(Launch(("sleep", "2.1"), "files", config, tmp_path))
            run = load(path)
            start, stop = run.nodes[0].window
            true = WaveServer(tmp_path / "other", wave).energy(start, stop)
            errors.append(abs(run.result.total.joules / true - 1))
            if errors[-1] <= 0.005:
                break
        process.terminate()
        assert "J from" in process.stdout.read()
    assert min(errors) <= 0.005


def test_torchrun_gives_one_run_for_all_ranks(place, agents):
    pytest.importorskip("torch")
    place.script(
        "import os, time, energymeter as em\n"
        "with em.phase('training') as phase:\n    time.sleep(0.3); phase.step(samples=2)\n"
        "open('rank' + os.environ['RANK'], 'w').close()"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["--no-python", *place.command("run", "app.py")]
    done = subprocess.run(
        command, cwd=place.path, env=place.environ, timeout=55, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    assert (place.path / "rank1").exists()
    (run_dir,) = (place.path / "energymeter" / "app").iterdir()
    run = closed(run_dir, agents)
    assert (run.manifest["launcher"], run.manifest["ranks"], len(run.nodes)) == ("torchrun", 2, 1)
    assert {process.rank for process in run.processes} == {0, 1}
    assert next(p for p in run.phases() if p.name == "training").samples == 4


def closed(run_dir, agents):
    """The run, once its agent has ended."""
    deadline = time.monotonic() + 20
    while agents(run_dir) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert agents(run_dir) == []
    return load(run_dir)


def test_tasks_of_a_slurm_step(place, agents, tmp_path):
    """What srun tells its tasks, and what accounting says afterwards."""
    place.script("import time; time.sleep(0.5)")
    step = {"SLURM_JOB_ID": "17", "SLURM_STEP_ID": "3", "SLURM_JOB_NAME": "train"}
    step |= {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_TASKS_PER_NODE": "2", "MY_TOKEN": "secret"}
    tasks = [
        place.start("run", "app.py", environ={**step, "SLURM_PROCID": str(rank)}) for rank in (0, 1)
    ]
    for task in tasks:
        with task:
            assert task.wait(40) == 0
    (run_dir,) = (place.path / "energymeter" / "app").iterdir()
    assert run_dir.name == "17.3"
    run = closed(run_dir, agents)
    assert run.manifest["scheduler"]["SLURM_JOB_NAME"] == "train"
    assert "secret" not in (run_dir / "manifest.json").read_text()
    ranks = [e for e in run.nodes[0].events if e["event"] == "register"]
    assert sorted(event["rank"] for event in ranks) == [0, 1]
    node = FakeNode(tmp_path / "fake")
    node.command("sacct", "echo '17.3|90|1|1'")
    place.environ |= {"ENERGYMETER_COMMANDS": node.environ()["ENERGYMETER_COMMANDS"]}
    report = place.run("report", str(run_dir), "--slurm-check")
    assert "Slurm accounting of step 17.3: 90 J" in report.stdout


def test_a_killed_program_with_a_meter_leaves_a_run_and_no_agent(place, agents):
    place.script(
        "import time, energymeter as em\n"
        "with em.Meter(label='killed', out='energymeter'), em.phase('training'):\n"
        "    print('ready', flush=True)\n    time.sleep(40)\n"
    )
    with subprocess.Popen(
        [sys.executable, "app.py"], cwd=place.path, env=place.environ, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        time.sleep(0.5)
        process.kill()
    (run_dir,) = (place.path / "energymeter" / "killed").iterdir()
    run = closed(run_dir, agents)
    assert run.status == "ended, exit status not known"
    assert run.result.total.joules == pytest.approx(120 * run.result.seconds, abs=2)
    assert next(p for p in run.phases() if p.name == "training").joules > 40
