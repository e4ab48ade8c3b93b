"""What sites and series of runs need: served values, a spool, a line of progress, rest."""

import os
import pty
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import energymeter as em
from energymeter.agent.spool import SpooledJournal
from energymeter.backends import discover, get_backend
from energymeter.backends.served import SERVED, Publisher
from energymeter.baseline import save_baseline
from energymeter.calibration import wait_for_rest
from energymeter.config import MeterConfig
from energymeter.environment import Environment
from energymeter.journal import JournalReader
from energymeter.progress import status_line
from energymeter.sensors import Sensor, Status, Unavailable
from energymeter.serving import serve, served_sensors
from energymeter.testing import FakeNode

COUNTER = "/sys/class/powercap/intel-rapl:0/energy_uj"


@pytest.fixture
def admin(tmp_path):
    """A node with RAPL, as an administrator sees it."""
    node = FakeNode(tmp_path / "admin")
    node.rapl({"0": "package-0", "0:0": "dram"}, microjoules=5)
    return node


@pytest.fixture
def user(tmp_path):
    """The same node for a user: nothing but the published file; gives (environment, its path)."""
    env = Environment({"ENERGYMETER_SYSROOT": str(tmp_path / "user")})
    return env, Path(env.path(SERVED))


def found_by(env):
    return [p for p in discover(MeterConfig(backends="served"), env) if "proc" not in p.id]


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_values_that_only_an_administrator_may_read_are_served(admin, user):
    config, stop = MeterConfig(period=0.02, backends="rapl"), threading.Event()
    there, (env, path) = Environment(admin.environ()), user
    sensors = served_sensors(config, there)
    server = threading.Thread(target=serve, args=(sensors, config, there, path, stop))
    server.start()
    try:
        until(lambda: path.exists() and all(isinstance(p, Sensor) for p in found_by(env)))
        found = found_by(env)
        expected = [replace(s, id=f"served:{s.id}", update_period=0.02) for s in sensors]
        assert found == expected
        assert path.stat().st_mode & 0o777 == 0o644
        reader = get_backend("served", config).open(found, env)
        assert reader.read() == [(5, Status.OK, 0)] * 2
        admin.file(COUNTER, 7)
        until(lambda: reader.read()[0][0] == 7)
    finally:
        stop.set()
        server.join()
    assert not path.exists()
    assert found_by(env) == []


def test_a_server_that_is_gone_is_missed_and_found_again(admin, user):
    env, path = user
    sensors = served_sensors(MeterConfig(backends="rapl"), Environment(admin.environ()))
    first = Publisher(path, sensors, 0.1)
    (problem,) = found_by(env)  # no record yet
    assert isinstance(problem, Unavailable)
    first.publish(env.monotonic_ns(), [(5, Status.OK), (None, Status.DENIED)])
    found = found_by(env)
    reader = get_backend("served", MeterConfig()).open(found, env)
    assert reader.read() == [(5, Status.OK, 0), (None, Status.DENIED, 0)]
    first.publish(env.monotonic_ns() - 10**9, [(6, Status.OK)] * 2)  # one second old
    assert reader.read() == [(None, Status.MISSING, 0)] * 2
    (problem,) = found_by(env)
    assert "not written any more" in problem.reason
    assert "--serve" in problem.hint
    first.close()
    second = Publisher(path, sensors[::-1], 0.1)  # in another order
    second.publish(env.monotonic_ns(), [(8, Status.OK), (2**64 - 1, Status.OK)])
    reader.retry_at = 0
    assert [raw for raw, _, _ in reader.read()] == [2**64 - 1, 8]
    os.pwrite(second.fd, b"\0\1\2", second.offset + 3)  # a record that is half an older one
    assert reader.read() == [(None, Status.MISSING, 0)] * 2
    reader.close()
    second.close()


def test_files_of_others_are_not_taken_for_served_values(user):
    env, path = user
    path.parent.mkdir(parents=True)
    for text in (b"", b"hello, this is text", b"EMV\x01\r\n\x1a\n\x02\0\0\0[]"):
        path.write_bytes(text)
        (problem,) = found_by(env)
        assert isinstance(problem, Unavailable)


def test_a_run_beside_a_serving_agent(place, tmp_path):
    root = {"ENERGYMETER_SYSROOT": str(tmp_path / "root")}
    server = place.start("agent", "--serve", "--period", "0.02", environ=root)
    path = Path(str(tmp_path / "root") + SERVED)
    try:
        until(path.exists)
        alone = {**root, "ENERGYMETER_WAVES": ""}
        done = place.run("run", "--report", "none", "--", "sleep", "0.5", environ=alone)
        assert done.returncode == 0, done.stderr
    finally:
        server.send_signal(signal.SIGTERM)
        output, _ = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "wave:0-counter" in output
    assert not path.exists()
    result = place.latest().result
    watts = {row.component: row.joules / result.seconds for row in result.rows}
    # a record is up to 0.02 s old at both ends of half a second
    assert watts == pytest.approx({"node/cpu0": 100, "node/gpu0": 20}, rel=0.1)


def test_there_is_nothing_to_serve_without_sensors(place, tmp_path):
    nothing = {"ENERGYMETER_SYSROOT": str(tmp_path), "ENERGYMETER_WAVES": ""}
    done = place.run("agent", "--serve", environ=nothing)
    assert done.returncode == 125
    assert "no RAPL zones" in done.stderr
    assert place.run("agent").returncode == 125


def test_a_spooled_journal_is_copied(tmp_path):
    target = tmp_path / "journal.emj"
    journal = SpooledJournal(tmp_path, target, {"run_id": "r", "node": "n"})
    journal.share()
    local = JournalReader(target).header["spool"]
    journal.event("first", 1)
    journal.flush()
    assert JournalReader(target).events == []
    journal.share()
    journal.event("second", 2)
    journal.flush()
    assert [e["event"] for e in JournalReader(target).events] == ["first"]
    assert [e["event"] for e in JournalReader(local).events] == ["first", "second"]
    journal.sample(0, 3, 4, Status.OK)
    journal.close()
    assert not Path(local).exists()
    assert list(JournalReader(target).chunks[0].raws) == [4]


def test_a_run_with_a_spool(place, tmp_path):
    spool = tmp_path / "spool"
    environ = {"ENERGYMETER_SPOOL": str(spool)}
    app = place.script(
        "import time, energymeter as em\n"
        "with em.region('x') as r: time.sleep(0.2)\n"
        "print(r.energy.joules)\n"
    )
    refused = place.run("run", app, environ=environ)
    assert refused.returncode == 125
    assert "spool" in refused.stderr
    assert refused.stdout == ""
    spool.mkdir()
    done = place.run("run", "--report", "none", app, environ=environ)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(24, rel=0.3)  # what was read is in the run at once
    run = place.latest()
    assert run.result.total.joules == pytest.approx(120 * run.result.seconds, rel=0.02)
    assert all(node.complete for node in run.nodes)
    assert list(spool.iterdir()) == []


def test_progress_is_for_terminals(place):
    words = ("run", "--progress", "--report", "none", "--", "sleep", "1.4")
    ours, theirs = pty.openpty()
    process = place.start(*words, stderr=theirs)
    os.close(theirs)
    seen = b""
    while not (b"energymeter" in seen and seen.endswith(b"\r\x1b[K")):  # shown, and taken away
        seen += os.read(ours, 4096)
    os.close(ours)
    assert process.wait(20) == 0
    assert b"wave:0-counter " in seen
    assert place.run(*words[:-1], "0.1").stderr == ""


def test_the_line_of_progress():
    line = status_line(75.0, {"a": 300.0, "b": 2000.0}, {"a": 100.0}, 2.0)
    assert line == "energymeter 75 s | a 100 W 300 J | b 1 kW 2 kJ"
    assert "estimate" in status_line(1.0, {}, {}, 1.0)


def test_verbose_and_quiet(place):
    told = place.run("run", "-v", "--report", "none", "--", "true").stderr
    assert str(place.latest().path) in told
    assert "measured: node/cpu0, node/gpu0" in told
    assert "rapl is unavailable" in told
    assert place.run("run", "-v", "-q", "--", "true").stderr == ""


def test_cooling_down_until_the_node_is_at_rest(place, tmp_path, monkeypatch):
    for name, value in place.environ.items():
        if name.startswith("ENERGYMETER_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    config, env = MeterConfig(period=0.02, node_type="here"), Environment()
    with pytest.raises(em.ConfigurationError, match="baseline --save"):
        wait_for_rest(config, each=0.2)
    save_baseline("here", {"node/cpu0": 98.0, "node/gpu0": 20.0}, env)
    assert wait_for_rest(config, each=0.2)
    save_baseline("here", {"node/cpu0": 50.0}, env)
    assert not wait_for_rest(config, patience=0.0, each=0.2)
    unknown = {"XDG_DATA_HOME": str(tmp_path / "none")}
    refused = place.run("run", "--cooldown", "idle", "--", "echo", "ran", environ=unknown)
    assert refused.returncode == 125
    assert refused.stdout == ""
    assert place.run("run", "--cooldown", "-1", "true").returncode == 125
