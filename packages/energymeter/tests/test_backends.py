"""Backends on fake nodes: golden trees, faults, and the ledger that follows."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energymeter.analysis.curves import energy_curve
from energymeter.analysis.ledger import Source, make_ledger
from energymeter.analysis.model import cpu_estimate, memory_estimate, table_tdp
from energymeter.backends import discover, get_backend, select
from energymeter.config import CpuModel, MeterConfig, UserSensor
from energymeter.environment import Environment
from energymeter.errors import ConfigurationError
from energymeter.sensors import Kind, Provenance, Sensor, Status, Unavailable
from energymeter.testing import FakeNode

SECOND = 10**9


@pytest.fixture
def node(tmp_path):
    return FakeNode(tmp_path)


def probes(node, backends, **options: object):
    return discover(MeterConfig(backends=backends, **options), Environment(node.environ()))


def sensors(node, backends, **options: object):
    found = probes(node, backends, **options)
    return {p.id: p for p in found if isinstance(p, Sensor) and p.id != "proc:busy"}


def source(sensor, watts, seconds=10):
    """A sensor that showed a constant power."""
    times = np.arange(seconds + 1, dtype=np.int64) * SECOND
    if sensor.kind is Kind.ENERGY_COUNTER:
        raws = np.arange(seconds + 1) * round(watts / sensor.factor)
    else:
        raws = np.full(seconds + 1, round(watts / sensor.factor))
    sensor = replace(sensor, modulus=None)
    return Source(energy_curve(sensor, times, raws.astype(np.int64), np.ones(len(times), bool)))


def ledger_of(found, watts, **options: object):
    """A ledger over 10 s, from mean powers by sensor id."""
    sources = [source(s, watts[i]) for i, s in found.items() if not s.cross_check]
    cross = [source(s, watts[i]) for i, s in found.items() if s.cross_check]
    return make_ledger(sources, 0, 10 * SECOND, cross=cross, **options)


def counted(ledger):
    return {row.component: round(row.joules / 10, 6) for row in ledger.counted}


def test_server_with_two_packages(node):
    node.rapl({"0": "package-0", "0:0": "core", "0:1": "dram"})
    node.rapl({"1": "package-1", "1:0": "core", "1:1": "dram"})
    found = sensors(node, "rapl")
    components = {s.component for s in found.values()}
    packages = {"node/cpu0", "node/cpu1", "node/mem0", "node/mem1"}
    assert components == packages | {"node/cpu0/cores", "node/cpu1/cores"}
    watts = {i: {"core": 60, "dram": 20}.get(i.rpartition(":")[2], 100) for i in found}
    ledger = ledger_of(found, watts)
    assert counted(ledger) == {"node/cpu0": 100, "node/cpu1": 100, "node/mem0": 20, "node/mem1": 20}
    assert ledger.total() == pytest.approx(2400)


def test_client_with_psys_and_a_second_interface(node):
    node.rapl({"0": "package-0", "1": "psys"})
    node.rapl({"0": "package-0"}, prefix="intel-rapl-mmio")
    found = sensors(node, "rapl")
    assert sum(s.cross_check for s in found.values()) == 1
    watts = {i: 30 if "psys" in i else 10 for i in found}
    ledger = ledger_of(found, watts)
    assert counted(ledger) == {"node/cpu0": 10}
    assert [check.ratio for check in ledger.cross_checks] == [pytest.approx(1)]
    assert {row.component for row in ledger.rows} == {"node/cpu0", "node/platform"}
    preferred = ledger_of(found, watts, prefer="psys")
    assert counted(preferred) == {"node/cpu0": 10, "node/platform/other": 20}


def test_dies_and_many_zones(node):
    node.rapl({"0": "package-0-die-0", "1": "package-0-die-1"})
    assert {s.component for s in sensors(node, "rapl").values()} == {
        "node/cpu0/die0",
        "node/cpu0/die1",
    }
    node.rapl({str(k): f"package-{k}" for k in range(2, 13)})
    assert len(sensors(node, "rapl")) == 13


def test_grace_module_counts_through_its_rails(node):
    rails = {"Module": 500, "Grace": 200, "CPU": 150, "SysIO": 50}
    for number, (rail, watts) in enumerate(rails.items()):
        files = {"power1_average": watts * 10**6, "power1_average_interval": 50}
        files["power1_oem_info"] = f"{rail} Power Socket 0"
        node.hwmon(number, "power_meter", files)
    found = sensors(node, "hwmon")
    ids = dict(zip(found, rails.values(), strict=True))
    ledger = ledger_of(found, ids)
    assert ledger.total() == pytest.approx(5000)
    assert counted(ledger)["node/cpu0"] == 150
    assert counted(ledger)["node/platform0/other"] == 300


def test_cray_node_contains_all_others(node):
    node.cray({"energy": 10, "cpu_energy": 4, "memory_energy": 1, "accel0_energy": 3})
    found = sensors(node, "cray")
    watts = {"cray:energy": 500, "cray:cpu_energy": 150, "cray:memory_energy": 50}
    ledger = ledger_of(found, {**watts, "cray:accel0_energy": 200})
    assert ledger.total() == pytest.approx(5000)
    assert counted(ledger)["node/other"] == 100
    reader = get_backend("cray", MeterConfig()).open(
        list(found.values()), Environment(node.environ())
    )
    assert [raw for raw, _, _ in reader.read()] == [3, 4, 10, 1]
    reader.close()


def test_a_node_sensor_below_its_parts_is_reported_and_kept():
    package = Sensor("a:p", "node/cpu0", Kind.ENERGY_COUNTER, (1, 1000))
    whole = Sensor("b:n", "node", Kind.ENERGY_COUNTER, (1, 1000))
    ledger = make_ledger([source(package, 100), source(whole, 80)], 0, 10 * SECOND)
    assert ledger.total() == pytest.approx(800)
    assert counted(ledger)["node/other"] == -20
    assert "inconsistent" in ledger.warnings[0]


def test_hwmon_places(node):
    node.hwmon(0, "amdgpu", {"power1_average": 5 * 10**6, "power1_input": 6 * 10**6})
    node.hwmon(1, "i915", {"energy1_input": 10**6})
    node.hwmon(2, "acpi_power_meter", {"power1_average": 10**8, "power1_average_interval": 1000})
    node.hwmon(10, "strange", {"power1_input": 10**6})
    found = list(sensors(node, "hwmon").values())
    assert [s.component for s in found] == ["node/gpu0", "node/gpu1", "node", "node/other"]
    assert [s.assigned for s in found] == [True, True, True, False]
    assert found[2].kind is Kind.POWER_AVERAGE
    assert found[2].window == 1.0


def test_unreadable_zone_has_reason_and_remedy_and_hides_no_other(node, monkeypatch):
    node.rapl({"0": "package-0", "1": "package-1"})
    original = Environment.read_text

    def read_text(self, path, default=None):
        if "intel-rapl:0/energy_uj" in path:
            raise PermissionError(13, "Permission denied", path)
        return original(self, path, default)

    monkeypatch.setattr(Environment, "read_text", read_text)
    first, second = (p for p in probes(node, "rapl") if p.id != "proc:busy" and "proc" not in p.id)
    assert isinstance(first, Unavailable)
    assert "permission denied" in first.reason
    assert "udev" in first.hint
    assert isinstance(second, Sensor)


BOARD = {"uuid": "GPU-1", "name": "NVIDIA A100-SXM4", "energy": 5000, "power": 100000}
BOARD |= {"utilisation": 0, "processes": 0, "architecture": 7, "instant": 90000}
BOARD |= {"temperature": 41, "clock": 1410, "memory": 2**30, "limit": 400000}


def test_nvidia_boards(node, monkeypatch):
    old = {"uuid": "GPU-2", "name": "Tesla P100", "power": 50000, "utilisation": 80, "processes": 1}
    node.gpus([BOARD, old, {"uuid": "GPU-3", "name": "MIG"}])
    monkeypatch.setenv("ENERGYMETER_FAKE_GPUS", node.environ()["ENERGYMETER_FAKE_GPUS"])
    monkeypatch.delitem(__import__("sys").modules, "pynvml", raising=False)
    found = [p for p in probes(node, "nvml") if p.id.startswith("nvml")]
    by_id = {p.id: p for p in found}
    assert by_id["nvml:GPU-1:energy"].kind is Kind.ENERGY_COUNTER
    assert by_id["nvml:GPU-1:instant"].duty == 0.25
    assert by_id["nvml:GPU-2:power"].kind is Kind.POWER_INSTANT
    assert "nvml:GPU-2:energy" not in by_id
    assert isinstance(by_id["nvml:GPU-3"], Unavailable)
    env = Environment(node.environ())
    members = [p for p in found if isinstance(p, Sensor)]
    reader = get_backend("nvml", MeterConfig()).open(members, env)
    values = {s.id: r for s, r in zip(members, reader.read(), strict=True)}
    assert values["nvml:GPU-1:energy"][:2] == (5000, Status.OK)
    gauges = {name: by_id[f"nvml:GPU-1:{name}"] for name in ("temperature", "clock", "limit")}
    si = [values[s.id][0] * s.factor for s in gauges.values()]
    assert si == [41, 1.41e9, 400]
    assert "nvml:GPU-2:temperature" not in by_id
    node.gpus([{**BOARD, "lost": True}, old])
    values = {s.id: r for s, r in zip(members, reader.read(), strict=True)}
    assert values["nvml:GPU-1:energy"][:2] == (None, Status.MISSING)
    assert values["nvml:GPU-2:power"][:2] == (50000, Status.OK)


def test_amd_boards(node, monkeypatch):
    first = {"energy_accumulator": 1000, "counter_resolution": 15.3}
    node.gpus(
        [
            {"amd": 1, "energy": first, "power": {"current_socket_power": "N/A"}},
            {"amd": 1, "energy": {"energy_accumulator": 0, "counter_resolution": 15.3}},
            {"amd": 1, "energy": {"power": 7, "counter_resolution": 15.3},
             "power": {"current_socket_power": 0xFFFF, "average_socket_power": 300}},
        ]
    )  # fmt: skip
    monkeypatch.setenv("ENERGYMETER_FAKE_GPUS", node.environ()["ENERGYMETER_FAKE_GPUS"])
    found = sensors(node, "amdsmi")
    assert list(found) == ["amdsmi:0:energy", "amdsmi:2:energy", "amdsmi:2:power"]
    assert found["amdsmi:0:energy"].factor == pytest.approx(15.3e-6)
    assert found["amdsmi:2:energy"].component == "node/gpu1"
    reader = get_backend("amdsmi", MeterConfig()).open(
        list(found.values()), Environment(node.environ())
    )
    assert [raw for raw, _, _ in reader.read()] == [1000, 7, 300]


def test_batteries(node):
    node.battery(0, power_now=7_000_000)
    node.battery(1, current_now=1_000_000, voltage_now=12_000_000)
    (sensor,) = sensors(node, "battery").values()
    env = Environment(node.environ())
    reader = get_backend("battery", MeterConfig()).open([sensor], env)
    assert reader.read() == [(19_000_000, Status.OK, 0)]
    for number in (0, 1):
        node.battery(number, status="Charging")
    assert reader.read() == [(None, Status.MISSING, 0)]


def test_ipmi(node):
    node.command("ipmitool", "echo '    Instantaneous power reading:   230 Watts'")
    (sensor,) = sensors(node, "ipmi").values()
    env = Environment(node.environ())
    reader = get_backend("ipmi", MeterConfig()).open([sensor], env)
    assert reader.read() == [(230, Status.OK, 0)]
    node.command("ipmitool", "echo 'Could not open device' >&2; exit 1")
    assert reader.read() == [(None, Status.DENIED, 0)]


def test_a_hanging_command_is_ended(node, monkeypatch):
    monkeypatch.setattr("energymeter.backends.ipmi.TIMEOUT", 0.3)
    node.command("ipmitool", "sleep 60")
    begin = time.monotonic()
    (found,) = (p for p in probes(node, "ipmi") if p.id == "ipmi")
    assert isinstance(found, Unavailable)
    assert "timeout" in found.reason
    assert time.monotonic() - begin < 20


def test_users_files_and_commands(node):
    place = node.file("/run/pdu", "1234.5 kWh")
    node.command("my-pdu", "echo Outlet $2: 75.25 W")
    given = (
        UserSensor("file", "kWh", path="/run/pdu"),
        UserSensor("command", "W", argv=("my-pdu", "--outlet", "7"), regex=r"([0-9.]+) W"),
    )
    found = sensors(node, "user", sensors=given)
    assert [s.slow for s in found.values()] == [False, True]
    reader = get_backend("user", MeterConfig(sensors=given)).open(
        list(found.values()), Environment(node.environ())
    )
    values = [raw * s.factor for s, (raw, _, _) in zip(found.values(), reader.read(), strict=True)]
    assert values == pytest.approx([1234.5 * 3.6e6, 75.25])
    for text, status in {"": Status.INVALID, "N/A": Status.INVALID, "-3": Status.INVALID}.items():
        place.write_text(text)
        assert reader.read()[0][:2] == (None, status)
    place.unlink()
    assert reader.read()[0][:2] == (None, Status.MISSING)


def test_files_come_back_after_a_second(node):
    from energymeter.backends.files import FileReader

    place = node.file("/x", 5)
    env = Environment(node.environ())
    moment = [0]
    env.monotonic_ns = lambda: moment[0]
    reader = FileReader(["/x", "/missing"], env)
    assert reader.read() == [(5, Status.OK, 0), (None, Status.MISSING, 0)]
    node.file("/missing", 6)
    assert reader.read()[1] == (None, Status.MISSING, 0)
    moment[0] = 2 * SECOND
    assert reader.read()[1] == (6, Status.OK, 0)
    place.write_text("")
    assert reader.read()[0] == (None, Status.INVALID, 0)
    reader.close()


def test_selection_and_names(node):
    node.rapl({"0": "package-0", "0:0": "dram"})
    found = probes(node, "rapl")
    assert [p.id for p in select(found, ["rapl:p*"], []) if isinstance(p, Sensor)] == [
        "rapl:package-0"
    ]
    with pytest.raises(ConfigurationError, match="no sensor matches"):
        select(found, [], ["nvml:*"])
    with pytest.raises(ConfigurationError, match="did you mean rapl"):
        probes(node, "rapll")


def busy_curve(share, cpus=4):
    sensor = Sensor("proc:busy", "node/cpu0", Kind.EVENT_COUNTER, (1, 100), max_power=99)
    times = np.arange(11, dtype=np.int64) * SECOND
    raws = (np.arange(11) * 100 * cpus * share).astype(np.int64)
    return energy_curve(sensor, times, raws, np.ones(11, bool))


def test_estimates_of_cpu_and_memory():
    node = {"cpu_model": "Test CPU", "sockets": 1}
    known = cpu_estimate(busy_curve(0.5), 4, node, CpuModel(idle=20, full=120))
    assert known.curve.joules[-1] == pytest.approx(700)
    assert known.factors == (0.75, 1.25)
    tdp = cpu_estimate(busy_curve(1.0), 4, node, CpuModel(tdp=100))
    assert tdp.curve.joules[-1] == pytest.approx(750)
    points = ((0.0, 10.0), (0.5, 40.0), (1.0, 50.0))
    fitted = cpu_estimate(busy_curve(0.25), 4, node, CpuModel(points=points))
    assert fitted.curve.joules[-1] == pytest.approx(250)
    nothing = cpu_estimate(busy_curve(0.0), 4, node, CpuModel())
    assert nothing.factors == (0.3, 3.0)
    assert memory_estimate(busy_curve(0), 8).curve.joules[-1] == pytest.approx(30)


def test_processors_are_not_guessed():
    assert table_tdp("AMD EPYC 7742 64-Core Processor") == 225
    assert table_tdp("Intel(R) Xeon(R) Platinum 8368 CPU @ 2.40GHz") == 270
    assert table_tdp("AMD EPYC") == 0
    assert table_tdp("AMD EPYC 7742X") == 0


def test_estimates_inside_a_measured_node_are_not_added():
    whole = source(Sensor("b:n", "node", Kind.POWER_INSTANT), 200)
    estimate = cpu_estimate(busy_curve(1.0), 4, {"cpu_model": "", "sockets": 1}, CpuModel(tdp=100))
    model = Source(estimate.curve, estimate.factors, estimate.method)
    ledger = make_ledger([whole, model], 0, 10 * SECOND)
    assert ledger.total() == pytest.approx(2000)
    assert ledger.total(Provenance.MODELLED) == 0


COMPONENTS = ["node", "node/cpu0", "node/cpu0/cores", "node/mem0", "node/gpu0", "node/platform"]


@given(st.lists(st.tuples(st.sampled_from(COMPONENTS), st.integers(1, 500)), max_size=8))
def test_rows_always_add_up(entries):
    contains = {"node/cpu0": ("node/cpu0/cores",), "node/platform": ("node/cpu*", "node/mem*")}
    sources = [
        source(Sensor(f"s:{k}", c, Kind.ENERGY_COUNTER, (1, 1000), contains=contains.get(c, ())), w)
        for k, (c, w) in enumerate(entries)
    ]
    ledger = make_ledger(sources, 0, 10 * SECOND, other_power=3)
    first = dict(reversed(entries))
    curves = sum(sign * float(c.between(0, 10 * SECOND)) for c, sign in ledger.curves)
    assert ledger.total() == pytest.approx(curves + 10 * ledger.constant, abs=1e-9)
    if "node" in first:
        assert ledger.total() == pytest.approx(10 * first["node"])


def test_fake_modules_are_a_folder():
    from energymeter.testing import fake_modules

    assert (Path(fake_modules()) / "pynvml.py").is_file()
