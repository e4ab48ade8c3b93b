"""Journals, stored runs, nodes, formats and comparisons."""

import errno
import json
import math
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import energymeter as em
from energymeter.agent.sampler import Sampler
from energymeter.cli.runs import FORMATS, render
from energymeter.comparing import log_ratio_interval
from energymeter.config import MeterConfig
from energymeter.cost import Rates, Series, totals
from energymeter.environment import Environment
from energymeter.journal import JournalReader, JournalWriter
from energymeter.launcher import JobInfo, detect, run_identity
from energymeter.run import load
from energymeter.sampling import Budget, Deadlines, wrap_limit
from energymeter.sensors import Kind, Sensor, Status
from energymeter.settings import load_settings


def test_journal_round_trip_and_large_values(tmp_path):
    writer = JournalWriter(tmp_path / "j", {"sensors": []})
    values = [0, 2**40, 2**63 - 1, 5, 2**64 - 3]
    for k, value in enumerate(values):
        writer.sample(0, 10**9 * k, value, Status.OK)
    writer.sample(1, 7, None, Status.DENIED)
    writer.event("hello", 3, pid=4)
    writer.close()
    reader = JournalReader(tmp_path / "j")
    raws = [raw for chunk in reader.chunks if chunk.sensor == 0 for raw in chunk.raws]
    assert [raw % 2**64 for raw in raws] == values
    (denied,) = (chunk for chunk in reader.chunks if chunk.sensor == 1)
    assert list(Status)[denied.statuses[0]] is Status.DENIED
    assert reader.events == [{"event": "hello", "t": 3, "pid": 4}]
    assert not reader.torn


def test_journal_that_was_cut_or_damaged(tmp_path):
    path = tmp_path / "j"
    writer = JournalWriter(path, {"sensors": []})
    for k in range(3):
        writer.sample(0, k, k, Status.OK)
        writer.flush()
    writer.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    cut = JournalReader(path)
    assert (cut.torn, len(cut.chunks)) == (True, 2)
    middle = bytearray(whole)
    middle[len(whole) // 2 + 12] ^= 0xFF
    path.write_bytes(middle)
    damaged = JournalReader(path)
    assert damaged.damaged_blocks == 1
    assert len(damaged.chunks) == 2
    path.write_bytes(whole[:9])
    with pytest.raises(ValueError, match="no journal"):
        JournalReader(path)


def test_full_disk_keeps_readings_in_memory(tmp_path, monkeypatch):
    writer = JournalWriter(tmp_path / "j", {"sensors": []})
    full = [True]
    original = os.write

    def write(fd, data):
        if full[0] and fd == writer.fd:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(fd, data)

    monkeypatch.setattr(os, "write", write)
    writer.sample(0, 1, 11, Status.OK)
    writer.flush()
    assert writer.disk_is_full
    full[0] = False
    writer.sample(0, 2, 12, Status.OK)
    writer.close()
    reader = JournalReader(tmp_path / "j")
    assert [raw for chunk in reader.chunks for raw in chunk.raws] == [11, 12]


def test_deadlines_are_absolute_and_skip_what_was_missed():
    uniform = Deadlines(100, 10)
    assert uniform.next == 100
    uniform.done(100)
    assert uniform.next == 110
    uniform.done(147)
    assert (uniform.next, uniform.missed) == (150, 3)
    jittered = Deadlines(0, 1000, jitter=True, u0=0.3)
    for k in range(100):
        assert k * 1000 <= jittered.next < (k + 1) * 1000
        jittered.done(jittered.next)
    assert jittered.missed == 0
    uniform.done(150, rest=35)
    assert (uniform.next, uniform.missed) == (190, 3)


def test_readings_that_take_long_are_taken_seldom():
    budget = Budget(0.01, longest=1000)
    assert [budget.rest(cost) for cost in (90, 2, 3, 4, 5, 90)] == [0, 0, 200, 200, 300, 400]
    assert [budget.rest(50) for _ in range(3)][-1] == 1000  # a counter would wrap

    sensors = [Sensor("t:1", "node/gpu0", Kind.ENERGY_COUNTER, (1, 1000), max_power=1000.0)]
    assert wrap_limit(sensors) == math.inf
    wraps = replace(sensors[0], modulus=10**6)
    assert wrap_limit([*sensors, wraps]) == pytest.approx(0.4)


def test_the_agent_keeps_within_its_budget(monkeypatch):
    clock = [0]
    env = Environment()
    monkeypatch.setattr(env, "monotonic_ns", lambda: clock[0])
    reads = []

    class Slow:
        def read(self):
            clock[0] += 4_000_000
            reads.append(clock[0])
            return [(len(reads), Status.OK, 0)]

        def close(self):
            pass

    backend = SimpleNamespace(open=lambda sensors, env: Slow())
    monkeypatch.setattr("energymeter.agent.sampler.get_backend", lambda name, config: backend)
    sensor = Sensor("t:1", "node/gpu0", Kind.ENERGY_COUNTER, (1, 1000))
    sampler = Sampler([sensor], MeterConfig(period=0.1), env, lambda *_: None, 0.0)
    while clock[0] < 100e9:
        clock[0] = max(clock[0] + 1000, sampler.next_deadline())
        sampler.read_due()
    assert 0.004 < len(reads) * 0.004 / 100 < 0.006
    assert sampler.missed == 0


@pytest.mark.parametrize(
    ("environ", "launcher", "rank", "local"),
    [
        ({}, "", 0, 1),
        ({"PMI_RANK": "2", "PMI_SIZE": "4", "MPI_LOCALNRANKS": "4"}, "hydra", 2, 4),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, "openmpi", 1, 2),
        ({"RANK": "3", "LOCAL_WORLD_SIZE": "4", "TORCHELASTIC_RUN_ID": "x"}, "torchrun", 3, 4),
        ({"RANK": "3"}, "", 0, 1),
        ({"SLURM_PROCID": "5", "SLURM_STEP_ID": "0", "SLURM_STEP_TASKS_PER_NODE": "4(x2)"},
         "slurm", 5, 4),
        ({"SLURM_PROCID": "0", "SLURM_STEP_ID": "4294967291"}, "", 0, 1),
    ],
)  # fmt: skip
def test_launchers(environ, launcher, rank, local):
    job = detect(environ)
    assert (job.launcher, job.rank, job.local_size) == (launcher, rank, local)


def test_names_of_runs():
    slurm = {"SLURM_JOB_ID": "17", "SLURM_STEP_ID": "3"}
    assert run_identity(slurm, JobInfo("slurm", 0, 8, 4)) == "17.3"
    assert run_identity({"ENERGYMETER_RUN_ID": "a b"}, JobInfo()) == "a_b"
    assert run_identity({}, JobInfo()) != run_identity({}, JobInfo())
    hydra = JobInfo("hydra", 0, 2, 2)
    assert run_identity({}, hydra) == run_identity({}, hydra)


def test_settings_and_their_origins(tmp_path):
    (tmp_path / "energymeter.toml").write_text("period = 0.5\nother_power = 7\ncarbon = 350\n")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "none"), "ENERGYMETER_PERIOD": "0.25"}
    found = load_settings({"slow_period": 2.0}, None, environ, tmp_path)
    assert (found.meter.period, found.meter.slow_period) == (0.25, 2.0)
    assert (found.meter.other_power, found.carbon) == (7, "350")
    assert found.origins["period"] == "environment"
    (tmp_path / "energymeter.toml").write_text("perod = 0.5\n")
    with pytest.raises(em.ConfigurationError, match="did you mean period"):
        load_settings({}, None, environ, tmp_path)
    with pytest.raises(em.ConfigurationError, match=r"0\.001 to 60"):
        load_settings({"period": 0.0}, None, environ, tmp_path / "none")


def test_everything_adds_up_to_the_run(stored):
    result = stored.result
    total = result.total.joules
    assert total == pytest.approx(120 * result.seconds, rel=0.02)
    assert sum(row.joules for row in result.rows) == pytest.approx(total, rel=1e-9)
    assert sum(phase.joules for phase in result.phases) == pytest.approx(total, rel=1e-9)
    inside = sum(region.exclusive for region in result.regions)
    assert inside + result.outside == pytest.approx(total, rel=1e-9)
    step = next(r for r in result.regions if r.path == "training/step")
    assert (step.calls, step.steps, step.samples) == (3, 3, 12)
    assert step.per_sample == pytest.approx(step.inclusive / 12)
    training = next(p for p in result.phases if p.name == "training")
    assert (training.steps, training.samples) == (3, 12)


def test_hdf5_gives_the_same_run(stored, tmp_path):
    pytest.importorskip("h5py")
    again = load(stored.to_hdf5(tmp_path / "x.h5"))
    assert again.result == stored.result
    assert render(again, "json") == render(stored, "json")


def test_formats_and_frames(stored):
    for form in FORMATS:
        text = render(stored, form)
        assert "redirected" in text or form == "csv", form
    values = json.loads(render(stored, "json"))
    assert values["total"]["joules"] == pytest.approx(stored.result.total.joules)
    page = render(stored, "html")
    assert "<svg" in page
    assert "<script" not in page
    assert "http" not in page
    pytest.importorskip("pandas")
    assert len(stored.to_frame("samples")) > 20
    assert set(stored.to_frame("phases")["name"]) == {"training", "inference", "unphased"}
    with pytest.raises(em.ConfigurationError):
        stored.to_frame("nothing")
    line = stored.timeline("wave:0-counter")
    assert line.shape[1] == 2
    assert np.all(np.diff(line[:, 1]) >= 0)


def test_cost_and_carbon(stored, tmp_path):
    kwh = stored.result.total.joules / 3.6e6
    found = totals(stored, Rates.parse(1.5, "400", "0.3:EUR"))
    assert found.carbon == pytest.approx(1.5 * 400 * kwh)
    assert found.price == pytest.approx(1.5 * 0.3 * kwh)
    with pytest.raises(em.ConfigurationError, match="1 or more"):
        Rates.parse(0.5, "", "")
    table = tmp_path / "carbon.csv"
    table.write_text("time,g_per_kwh\n2000-01-01T00:00:00Z,100\n2000-01-02T00:00:00Z,300\n")
    with pytest.raises(em.ConfigurationError, match="the rest is missing"):
        totals(stored, Rates.parse(1, str(table), ""))
    series = Series.parse(str(table), "carbon", "g")
    start = series.times[0]
    half = 43_200 * 10**9
    assert [v for _, _, v in series.pieces(start + half, start + 3 * half)] == [100, 300]


def emulated(run, node_type, watts_ratio):
    """The same run on a node of another type."""
    (node,) = run.nodes
    header = {**node.header, "description": {**node.description, "node_type": node_type}}
    sensors = tuple(
        replace(s, scale=(int(watts_ratio * 10), s.scale[1] * 10)) for s in node.sensors
    )
    return replace(run, nodes=(replace(node, header=header, sensors=sensors),))


def test_comparison_shows_what_runtime_does_not(stored):
    a, b = emulated(stored, "thrifty", 1), emulated(stored, "hungry", 3)
    comparison = em.compare([a, b])
    first, second = comparison.groups
    assert second.ratio == pytest.approx(3, rel=1e-6)
    # the same time: by runtime both would be equal
    assert second.proxy_error == pytest.approx(1 / 3 - 1, rel=1e-6)
    assert first.proxy_error == pytest.approx(0, abs=1e-9)
    best = [entry.group for entry in comparison.phases if entry.thriftiest]
    assert best == ["thrifty", "thrifty"]
    assert "n/a" in comparison.table()
    with pytest.raises(em.ConfigurationError, match="no group"):
        em.compare([a], reference="other")


def test_intervals_need_three_runs():
    assert np.isnan(log_ratio_interval([1, 2], [1, 2])[0])
    low, high = log_ratio_interval([2.0, 2.1, 1.9, 2.0], [1.0, 1.05, 0.95, 1.0])
    assert low < 2 < high
    assert high - low < 0.5


def test_two_nodes_with_clocks_a_thousand_seconds_apart_align(stored):
    (node,) = stored.nodes
    shift = 1000 * 10**9
    moved = replace(
        node,
        key="other-node",
        series=tuple(replace(s, times=s.times + shift) for s in node.series),
        events=tuple({**event, "t": event["t"] + shift} for event in node.events),
    )
    both = replace(stored, nodes=(node, moved))
    single = stored.result
    assert both.result.seconds == pytest.approx(single.seconds, abs=0.01)
    assert both.result.total.joules == pytest.approx(2 * single.total.joules, rel=1e-9)


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(em.RunError, match="no run"):
        load(tmp_path)
