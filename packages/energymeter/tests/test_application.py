"""Bar: the application is untouched, and its end is seen, whatever it is."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from energymeter.cli.measure import run_parser

#: J that 120 W make of the 10 ms by which the ends of a run may be off.
WINDOW = 1.2

FIDELITY = """
import dataclasses, multiprocessing, pickle, sys
@dataclasses.dataclass
class Point:
    x: int
def double(p):
    return Point(2 * p.x)
if __name__ == "__main__":
    assert __file__.endswith("app.py"), __file__
    assert pickle.loads(pickle.dumps(Point(1))) == Point(1)
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert pool.map(double, [Point(2)]) == [Point(4)]
    print(sys.argv[1:])
    print(sys.stdin.read(), end="")
"""


def test_script_is_its_own_main(place):
    place.script(FIDELITY)
    odd = ["--help", "-n", "5", "--b", "c", "--", "a b", "", "--period=3"]
    done = place.run("run", "app.py", *odd, input="one\ntwo\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{odd}\none\ntwo\n"
    assert "total energy" in done.stderr


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import sys; sys.exit(0)", 0),
        ("import sys; sys.exit(7)", 7),
        ("import os; os._exit(9)", 9),
        ("import sys; sys.exit('reason')", 1),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.kill(os.getpid(), 11)", 139),
    ],
)
def test_exit_statuses(place, code, status):
    place.script(f"import time; time.sleep(0.5); {code}")
    done = place.run("run", "--report", "none", "app.py")
    assert done.returncode == status, done.stderr
    run = place.latest()
    assert run.status == f"exit status {status}"
    assert run.result.total.joules == pytest.approx(120 * run.result.seconds, abs=WINDOW)


def test_uncaught_exception_keeps_its_traceback(place):
    place.script("def f():\n    raise KeyError('here')\nf()")
    done = place.run("run", "--report", "none", "app.py")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("Traceback")
    assert 'app.py", line 2, in f' in done.stderr
    assert "energymeter" not in done.stderr.split("KeyError")[0].replace(str(place.path), "")


def test_binaries_modules_and_what_cannot_be_run(place):
    done = place.run("run", "--report", "none", "--", "sh", "-c", "printf 'a\\0b'; exit 4")
    assert (done.returncode, done.stdout) == (4, "a\0b")
    done = place.run("run", "--report", "none", "-m", "platform", "--terse")
    assert done.returncode == 0
    assert "Linux" in done.stdout
    assert place.run("run", "nothing-of-this-name").returncode == 127
    assert place.run("run", "missing.py").returncode == 127
    (place.path / "plain").write_text("x")
    assert place.run("run", "./plain").returncode == 126
    assert place.run("run").returncode == 125


def test_signals_to_the_wrapper_reach_the_application(place):
    place.script(
        "import os, signal, sys, time\n"
        # unbuffered: the signal may come while the first line is being written
        "signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b'asked\\n'), sys.exit(5)))\n"
        "os.write(1, b'ready\\n')\ntime.sleep(40)"
    )
    process = place.start("run", "--report", "none", "app.py")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 5
    assert process.stdout.read() == "asked\n"
    process.stderr.close()
    process.stdout.close()
    assert place.latest().status == "exit status 5"


SLEEPER = "import time, os\nprint(os.getpid(), flush=True)\ntime.sleep(40)"


def _killed(place, agents_of, whom):
    place.script(SLEEPER)
    process = place.start("run", "--report", "none", "app.py")
    application = int(process.stdout.readline())
    time.sleep(1.2)
    (journal,) = (place.path / "energymeter").glob("app/*/nodes/*/journal.emj")
    run_dir = journal.parents[2]
    (agent,) = agents_of(run_dir)
    for pid in {"agent": [agent], "app": [application], "all": [process.pid, agent, application]}[
        whom
    ]:
        os.kill(pid, signal.SIGKILL)
    if whom == "agent":
        os.kill(application, signal.SIGTERM)
    process.wait(20)
    process.stdout.close()
    process.stderr.close()
    deadline = time.monotonic() + 20
    while agents_of(run_dir) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert agents_of(run_dir) == []
    return process.returncode, place.latest(), run_dir


def test_sigkill_of_the_application(place, agents):
    status, run, _ = _killed(place, agents, "app")
    assert status == 137
    assert run.status == "exit status 137"
    assert run.result.total.joules == pytest.approx(120 * run.result.seconds, abs=WINDOW)


@pytest.mark.parametrize("whom", ["agent", "all"])
def test_sigkill_of_the_agent(place, agents, whom):
    status, run, run_dir = _killed(place, agents, whom)
    assert status == (143 if whom == "agent" else -9)
    assert run.status == "unfinished or killed"
    # at least what came up to a second before the end is there
    assert run.result.total.joules > 20
    before = sorted((p, p.stat().st_mtime_ns) for p in run_dir.rglob("*"))
    done = place.run("report")
    assert done.returncode == 0
    assert "sampling ended" in done.stdout
    assert sorted((p, p.stat().st_mtime_ns) for p in run_dir.rglob("*")) == before


def test_unwritable_output_stops_before_the_start(place):
    (place.path / "file").write_text("")
    place.script("open('started', 'w')")
    done = place.run("run", "-o", "file/below", "app.py")
    assert done.returncode == 125
    assert "use --out" in done.stderr
    assert not (place.path / "started").exists()


def test_five_runs_into_one_directory(place):
    place.script("import time; time.sleep(0.3)")
    runs = [place.start("run", "--report", "none", "app.py") for _ in range(5)]
    assert [process.wait(50) for process in runs] == [0] * 5
    for process in runs:
        process.stdout.close()
        process.stderr.close()
    assert len(list((place.path / "energymeter" / "app").iterdir())) == 5


def test_same_run_id_gets_a_suffix(place):
    for _ in range(2):
        place.run("run", "--run-id", "mine", "--report", "none", "--", "true")
    names = sorted(p.name for p in (place.path / "energymeter" / "true").iterdir())
    assert names == ["mine", "mine-2"]


def test_estimates_say_so_everywhere(place):
    place.environ.pop("ENERGYMETER_WAVES")
    place.environ.pop("ENERGYMETER_MODEL")
    words = ["run", "--backends", "proc", "--", sys.executable, "-c", "pass"]
    done = place.run(*words)
    assert done.returncode == 0
    assert "estimate" in done.stderr
    assert "~" in done.stderr
    for form in ("text", "md", "json", "csv", "html"):
        assert "estimate" in place.run("report", "-f", form).stdout, form
    refused = place.run("run", "--require", "measured", "--backends", "proc", "--", "touch", "it")
    assert refused.returncode == 125
    assert not (place.path / "it").exists()


def test_rounds_stop_at_the_first_failure(place):
    place.script(
        "import pathlib, sys\np = pathlib.Path('n'); n = int(p.read_text()) if p.exists() else 0\n"
        "p.write_text(str(n + 1)); sys.exit(4 if n == 2 else 0)"
    )
    done = place.run("run", "--warmup", "1", "--rounds", "5", "--report", "none", "app.py")
    assert done.returncode == 4
    assert (place.path / "n").read_text() == "3"
    assert len(list((place.path / "energymeter" / "app").iterdir())) == 2
    assert Path(place.path / "energymeter").is_dir()


def test_sensors_and_compare(place):
    listed = place.run("sensors")
    assert listed.returncode == 0
    assert "wave:0-counter" in listed.stdout
    assert "rapl" in listed.stdout
    for number in range(2):
        place.run("run", "--run-id", f"r{number}", "--report", "none", "--", "sleep", "0.2")
    runs = [f"energymeter/sleep/r{number}" for number in range(2)]
    done = place.run("compare", *runs, "--by", "run", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    assert "r0" in done.stdout
    assert "runtime proxy error" in done.stdout
    assert "<table" in (place.path / "page.html").read_text()
    assert place.run("compare", *runs, "--by", "moon").returncode == 125


@pytest.mark.parametrize(
    ("given", "module", "command"),
    [
        ("-m pkg --x", True, "pkg --x"),
        ("--period 1 -q -m pkg", True, "pkg"),
        ("app.py -m pkg --period 3 --", False, "app.py -m pkg --period 3 --"),
        ("-- -app -- -m pkg", False, "-- -app -- -m pkg"),
        ("-l x app --label y", False, "app --label y"),
    ],
)
def test_words_after_the_command_are_its_own(given, module, command):
    options = run_parser().parse_args(given.split())
    assert options.module is module
    assert options.command == command.split()


def test_options_that_there_are_not(place):
    for words in (["--perid", "3"], ["--report", "film"], ["--rounds", "0"], ["--per", "3"]):
        done = place.run("run", *words, "true")
        assert done.returncode == 125, words
        assert done.stderr.startswith("energymeter: ")
