"""The commands beside ``run``, and the formats of other tools."""

import csv
import io
import json
import re
import shutil
import time
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import energymeter as em
from energymeter.analysis.attribution import Instance
from energymeter.cli.app import app
from energymeter.cli.runs import render
from energymeter.config import MeterConfig
from energymeter.environment import Environment
from energymeter.live import sample_now
from energymeter.merging import merge
from energymeter.meter import Meter
from energymeter.report.live import live_line
from energymeter.report.trace import lanes
from energymeter.run import load
from energymeter.slurm import consumed_energy, slurm_line
from energymeter.testing import FakeNode

WAVES = "node/cpu0,counter,const:100;node/gpu0,power,const:20"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with sources of 100 W and 20 W; gives a function that runs a command."""
    monkeypatch.chdir(tmp_path)
    for name in ("PMI_RANK", "PMI_SIZE", "PMI_FD", "MPI_LOCALNRANKS", "ENERGYMETER_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENERGYMETER_WAVES", WAVES)
    monkeypatch.setenv("ENERGYMETER_MODEL", "never")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*words: object, status: int = 0) -> str:
        done = CliRunner().invoke(app, [str(word) for word in words])
        if done.exit_code != status:
            raise done.exception or AssertionError(done.output)
        return done.output

    return run


def test_trace_has_regions_powers_and_marks(stored, here):
    events = json.loads(here("export", stored.path, "--to", "trace"))["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    assert [e["name"] for e in slices] == ["training", "step", "step", "step", "inference"]
    training = next(phase for phase in stored.phases() if phase.name == "training")
    assert slices[0]["dur"] == pytest.approx(training.seconds * 1e6, rel=1e-6)
    assert slices[0]["ts"] <= slices[1]["ts"]
    assert slices[1]["ts"] + slices[1]["dur"] <= slices[0]["ts"] + slices[0]["dur"]
    powers = [event["args"] for event in events if event["ph"] == "C"]
    assert len(powers) > 5
    assert powers[2]["node/cpu0"] == pytest.approx(100, rel=0.05)
    names = {e["args"]["name"] for e in events if e["ph"] == "M"}
    assert {"rank 0", stored.nodes[0].key} == names


def test_lanes_nest_and_never_cross():
    spans = [(0, 100), (10, 40), (20, 60), (40, 50), (60, 90), (100, 120)]
    instances = [Instance(("p", k), 0, "r", "", a, b) for k, (a, b) in enumerate(spans)]
    assert lanes(instances) == [0, 0, 1, 0, 0, 0]


def test_csv_has_all_tables(stored, here):
    for table, rows in {"ledger": 2, "regions": 3, "phases": 3, "steps": 3}.items():
        text = here("export", stored.path, "--table", table)
        assert len(list(csv.DictReader(io.StringIO(text)))) == rows, table
    assert float(next(csv.DictReader(io.StringIO(here("export", stored.path))))["joules"]) > 0
    with pytest.raises(em.ConfigurationError, match="use one of"):
        here("export", stored.path, "--to", "film")


def test_openmetrics_and_bench(stored, here):
    text = here("export", stored.path, "--to", "openmetrics")
    assert text.endswith("# EOF\n")
    energies = r"^energymeter_energy_joules_total\{.*\} (\S+)$"
    values = [float(value) for value in re.findall(energies, text, re.MULTILINE)]
    assert sum(values) == pytest.approx(stored.result.total.joules)
    bench = json.loads(here("export", stored.path, "--to", "bench"))
    assert bench[0]["value"] == pytest.approx(stored.result.total.joules)
    assert [entry["unit"] for entry in bench] == ["J", "s", "J/sample"]


def test_parquet_and_hdf5(stored, here, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pytest.importorskip("h5py")
    here("export", stored.path, "--to", "parquet", "--table", "regions", "-O", "x.parquet")
    frame = pandas.read_parquet(tmp_path / "x.parquet")
    assert list(frame["path"]) == ["training", "training/step", "inference"]
    here("export", stored.path, "--to", "hdf5", "-O", "x.h5")
    assert load(tmp_path / "x.h5").result == stored.result


def watts_in(line):
    return {name: float(value) for name, value in re.findall(r"(\w+) +([0-9.]+) W", line)}


def test_watching_a_run_that_has_ended(stored, here):
    line, status = here("watch", stored.path).splitlines()
    assert status == "exit status 0"
    assert watts_in(line)["cpu0"] == pytest.approx(100, rel=0.02)


def test_watching_a_run_that_goes_on(here, tmp_path):
    config = MeterConfig(period=0.02, model="never")
    with Meter(label="live", out=tmp_path, config=config) as meter:
        time.sleep(0.3)
        sample_now()
        run = load(meter.path)
        assert run.status == "unfinished or killed"
        assert watts_in(live_line(run, 1.0)) == pytest.approx({"cpu0": 100, "gpu0": 20}, rel=0.02)
    assert "exit status 0" in here("watch", meter.path)


def test_merging_nodes_that_were_stored_apart(stored, here, tmp_path):
    """The same run on a second node, with another key and other events."""
    other = tmp_path / "other"
    shutil.copytree(stored.path, other)
    (node,) = (other / "nodes").iterdir()
    node.rename(node.with_name("second-12345678"))
    for events in list((other / "events").iterdir()):
        events.unlink()
    here("merge", stored.path, other, "-o", "both")
    both = load(tmp_path / "both")
    assert len(both.nodes) == 2
    assert both.manifest["ranks"] == 2
    assert both.result.total.joules == pytest.approx(2 * stored.result.total.joules, rel=0.01)
    with pytest.raises(em.RunError, match="exists already"):
        merge([stored.path], tmp_path / "both")
    with pytest.raises(em.RunError, match="two runs"):
        merge([stored.path, stored.path], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_baseline_is_part_of_later_runs(here, tmp_path):
    text = here("baseline", "--duration", "0.5", "--save")
    assert watts_in(text)["cpu0"] == pytest.approx(100, rel=0.02)
    with Meter(label="x", out=tmp_path / "out") as meter:
        time.sleep(0.3)
    rows = {row.component: row for row in meter.result.rows}
    assert rows["node/cpu0"].idle == pytest.approx(100 * meter.result.seconds, rel=0.02)
    assert rows["node/gpu0"].unused  # no more than at rest, and no utilisation is known
    assert "at rest" in render(meter.run, "text")
    record = json.loads(render(meter.run, "json"))["ledger"][0]
    assert record["idle_J"] == pytest.approx(100 * meter.run.result.seconds, rel=0.02)
    with pytest.raises(em.ConfigurationError, match="at least"):
        here("baseline", "--duration", "0")


def test_a_baseline_needs_measured_sources(here, monkeypatch):
    monkeypatch.delenv("ENERGYMETER_WAVES")
    with pytest.raises(em.NotMeasuredError, match="no measured source"):
        here("baseline", "--duration", "0.5", "--backends", "proc")


def test_calibration(here, tmp_path, monkeypatch):
    here("calibrate", "--points", "1:110,0:20,0.5:60", "-O", "energymeter.toml")
    config = em.MeterConfig.from_dict({"cpu": {"points": [[0, 20], [0.5, 60], [1, 110]]}})
    from energymeter.settings import load_settings

    assert load_settings({}, folder=tmp_path).meter.cpu == config.cpu
    with pytest.raises(em.ConfigurationError, match="exists already"):
        here("calibrate", "--points", "0:1,0.5:2,1:3", "-O", "energymeter.toml")
    for points in ("1", "0:1,1:2", "0:1,0.5:2,7:3", "a:b"):
        with pytest.raises(em.ConfigurationError):
            here("calibrate", "--points", points)
    text = here("calibrate", "--seconds", "0.5").splitlines()[-1]
    pairs = re.findall(r"\[([0-9.]+), ([0-9.]+)\]", text)
    assert len(pairs) == 5
    assert all(float(watts) == pytest.approx(100, rel=0.05) for _, watts in pairs)


def test_overhead(here):
    text = here("overhead", "--seconds", "0.5")
    share = float(re.search(r"([0-9.]+)% of a core", text)[1])
    assert 0 <= share < 100
    assert re.search(r"a region +\d+\.\d+ µs", text)


def test_config_tells_the_origin(here, tmp_path, monkeypatch):
    (tmp_path / "energymeter.toml").write_text("period = 0.5\n[cpu]\ntdp = 120\n")
    monkeypatch.setenv("ENERGYMETER_STORE", "10")
    lines = [line.split() for line in here("config", "show").splitlines()]
    shown = {words[0]: words[1:] for words in lines if words}
    assert shown["period"] == ["0.5", str(tmp_path / "energymeter.toml")]
    assert shown["store"] == ["10", "environment"]
    assert shown["pue"] == ["1.0", "default"]


def test_sensors_tell_power_refresh_and_remedies(here, monkeypatch):
    text = here("sensors", "--probe", "0.2", "--check")
    watts, refresh = re.search(r"wave:0-counter .* ([0-9.]+) W +ok +([0-9.]+) ms", text).groups()
    assert float(watts) == pytest.approx(100, rel=0.02)
    assert float(refresh) >= 1
    assert "no RAPL zones" in text or "rapl:" in text
    values = json.loads(here("sensors", "--json", "--all"))
    assert values["measures"]
    assert "proc:busy" in [sensor["id"] for sensor in values["sensors"]]
    monkeypatch.delenv("ENERGYMETER_WAVES")
    assert "reports give an estimate" in here("sensors", "--backends", "proc", "--check", status=4)


def shared(run, **changes: object):
    """A run of four CPUs' node, of which the job had two."""
    (node,) = run.nodes
    events = tuple(
        {**event, "cpus": "3", "gpus": changes.get("gpus")} if event["event"] == "register"
        else {**event, "cpu_s": changes.get("cpu", 0.1)} if event["event"] == "end" else event
        for event in node.events
    )  # fmt: skip
    header = {**node.header, "description": {**node.description, "logical_cpus": 4}}
    header["baseline"] = changes.get("baseline", {})
    return replace(run, nodes=(replace(node, events=events, header=header),))


def test_the_job_s_part_by_allocation(stored):
    rows = {row.component: row.joules for row in stored.ledger()}
    both = shared(stored).job_part("allocated")
    assert both.joules == pytest.approx(rows["node/cpu0"] / 2 + rows["node/gpu0"])
    other = shared(stored, gpus="1,2").job_part("allocated")
    assert other.joules == pytest.approx(rows["node/cpu0"] / 2)
    assert "node/gpu1, node/gpu2" in other.text
    text = render(shared(stored), "text", attribution="allocated")
    assert "this job's part (allocated)" in text
    assert "total energy" in text  # the whole node stays
    assert stored.job_part().joules == pytest.approx(stored.result.total.joules)
    with pytest.raises(em.ConfigurationError, match="use one of"):
        stored.job_part("fair")


def test_the_job_s_part_by_cpu_time(stored):
    (node,) = stored.nodes
    busy = next(curve for curve in node.curves if curve.sensor.id == "proc:busy")
    used = float(busy.between(*node.window))
    run = shared(stored, cpu=0.25 * used, baseline={"node/cpu0": 40.0}, gpus="")
    energy = {row.component: row.joules for row in stored.ledger()}["node/cpu0"]
    idle = 40 * stored.result.seconds
    part = run.job_part("cpu-time")
    assert part.joules == pytest.approx(idle / 2 + (energy - idle) / 4)
    without = shared(stored, cpu=0.25 * used, gpus="").job_part("cpu-time")
    assert without.joules == pytest.approx(energy / 4)
    assert "idle power not known" in without.text
    assert json.loads(render(run, "json", attribution="cpu-time"))["job"]["provenance"] == "derived"


def test_cpu_time_of_the_application_is_known(place):
    place.script("import time\nwhile time.process_time() < 0.5: pass")
    place.run("run", "--attribution", "cpu-time", "--report", "none", "app.py")
    run = place.latest()
    (end,) = (event for event in run.nodes[0].events if event["event"] == "end")
    assert 0.5 <= end["cpu_s"] < 2
    part = run.job_part()
    assert part.mode == "cpu-time"
    assert 0 < part.joules <= run.result.total.joules


@pytest.mark.parametrize(
    ("script", "joules", "reason"),
    [
        ("echo '17|9|5|1'; echo '17.3|2500|10|2'", 2500.0, ""),
        ("echo '17.3||10|2'", None, "not configured"),
        ("echo '17.3|18446744073709551614|10|2'", None, "not configured"),
        ("echo '17.3|4294967294|10|2'", None, "not configured"),
        ("true", None, "no step 17.3"),
        ("echo 'down' >&2; exit 1", None, "down"),
    ],
)
def test_accounting_of_slurm(tmp_path, script, joules, reason):
    node = FakeNode(tmp_path)
    node.command("sacct", script)
    found, why = consumed_energy("17.3", Environment(node.environ()))
    assert found == joules
    assert reason in why


def test_accounting_is_a_cross_check_of_steps_only(stored, tmp_path):
    node = FakeNode(tmp_path)
    node.command("sacct", "echo '17.3|2500|10|2'")
    env = Environment(node.environ())
    assert slurm_line(stored, env) is None
    scheduler = {"SLURM_JOB_ID": "17", "SLURM_STEP_ID": "3"}
    line = slurm_line(replace(stored, manifest={**stored.manifest, "scheduler": scheduler}), env)
    ratio = float(re.search(r"2500 J, ([0-9.]+) of", line)[1])
    assert ratio == pytest.approx(2500 / stored.result.total.joules, abs=1e-3)


def test_comparison_per_sample(stored):
    half = replace(stored, manifest={**stored.manifest, "label": "half"})
    (process,) = stored.processes
    half = replace(half, processes=(replace(process, steps=process.steps[:1]),))
    compared = em.compare([stored, half], by="label", per="sample")
    assert [group.ratio for group in compared.groups] == pytest.approx([1, 3])
    assert "per sample over" in compared.table()
    steps = em.compare([stored, half], by="label", per="step")
    assert steps.groups[1].ratio == pytest.approx(3)
    with pytest.raises(em.ConfigurationError, match="use one of"):
        em.compare([stored], per="moon")


def test_plot_of_a_comparison(stored, here, tmp_path):
    pytest.importorskip("matplotlib")
    here("compare", stored.path, "--plot", "x.svg", "--html", "x.html")
    assert "<svg" in (tmp_path / "x.svg").read_text()
    assert "<svg" in (tmp_path / "x.html").read_text()


def test_schemas_of_later_versions(stored, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(stored.path, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "schema": "energymeter/1.7"}))
    assert any("later version" in warning for warning in load(folder).result.warnings)
    (folder / "manifest.json").write_text(json.dumps({**manifest, "schema": "energymeter/2"}))
    with pytest.raises(em.RunError, match="schema"):
        load(folder)


def test_a_class_can_be_required_of_a_meter(here, tmp_path):
    config = MeterConfig(require="measured:memory")
    with pytest.raises(em.NotMeasuredError, match="memory"), Meter(out=tmp_path, config=config):
        pass


def test_a_meter_inside_a_meter(here, tmp_path):
    """Each has its own regions; those of the outer one go on after the inner one."""
    with Meter(label="outer", out=tmp_path) as outer, em.region("around"):
        with Meter(label="inner", out=tmp_path) as inner, em.region("within") as within:
            time.sleep(0.2)
        assert within.energy is not None
        time.sleep(0.2)
    first, second = outer.result, inner.result
    assert [region.path for region in first.regions] == ["around"]
    assert [region.path for region in second.regions] == ["within"]
    assert 0.4 <= first.regions[0].seconds <= first.seconds
    assert 0.2 <= second.regions[0].seconds <= second.seconds < first.seconds


def test_estimates_say_so_in_all_exports(here, tmp_path, monkeypatch):
    monkeypatch.delenv("ENERGYMETER_WAVES")
    config = MeterConfig(backends="proc", model="auto")
    with Meter(label="x", out=tmp_path, config=config) as meter, em.phase("training"):
        time.sleep(0.3)
    for form in ("csv", "json", "openmetrics", "bench", "trace"):
        assert "estimate" in here("export", meter.path, "--to", form), form
    for table in ("regions", "phases"):
        (row, *_) = csv.DictReader(io.StringIO(here("export", meter.path, "--table", table)))
        assert row["estimate"] == "True"
    assert "estimate" in here("watch", meter.path)
    assert "estimate" in em.compare([meter.path]).table()
