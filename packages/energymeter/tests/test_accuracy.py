"""Bar: the sampling loop and integration against waves of known energy, on a virtual clock."""

import random

import numpy as np
import pytest

from energymeter.analysis.uncertainty import random_error
from energymeter.backends.wave import WaveBackend
from energymeter.sensors import Sensor, Status
from energymeter.testing import VirtualEnvironment, parse_wave, simulate

WAVES = [
    "const:100",
    "ramp:100:10:60",
    "sine:150:100:1.3",
    "square:2:50:250",
    "square:0.7:50:250",
    "burst:50:300:0.1:1",
    "random:7:50:400:0.3",
]


def sensors_of(text: str) -> tuple[list[Sensor], VirtualEnvironment]:
    env = VirtualEnvironment({"ENERGYMETER_WAVES": text}, time=987_654_321_000)
    return [s for s in WaveBackend().discover(env) if isinstance(s, Sensor)], env


def relative_error(text: str, wave: str, seconds: float, **options: object) -> float:
    sensors, env = sensors_of(text)
    start = env.time / 1e9
    (curve,) = simulate(sensors, env, seconds, **options)  # type: ignore[arg-type]
    known = parse_wave(wave)
    true = known.energy(start + seconds) - known.energy(start)
    got = float(curve.between(int(start * 1e9), int((start + seconds) * 1e9)))
    return abs(got / true - 1)


@pytest.mark.parametrize("wave", WAVES)
@pytest.mark.parametrize("period", [0.02, 0.1, 0.37, 1.0])
@pytest.mark.parametrize("seconds", [2.0, 5.3])
def test_counters_do_not_depend_on_the_period(wave, period, seconds):
    text = f"node/cpu0,counter,{wave},quantum=1e-4"
    assert relative_error(text, wave, seconds, period=period) <= 0.005


@pytest.mark.parametrize("wave", WAVES)
def test_counters_that_wrap_every_second_and_a_half(wave):
    text = f"node/cpu0,counter,{wave},modulus={{}}"
    mean = parse_wave(wave).energy(1000.0) / 1000.0
    assert relative_error(text.format(1.5 * mean), wave, 20.0) <= 0.005


def faulty(kind: str):
    source = random.Random(3)
    offset: dict[int, int] = {}

    def fault(index, number, raw, status):
        if kind == "reset" and number > 50:  # a driver was loaded again
            first = offset.setdefault(index, raw)
            return raw - first + 1000, status
        if kind == "backwards" and number % 40 == 20:
            return raw // 7, status
        if source.random() > 0.1 or number < 2:
            return raw, status
        faults = {
            "zero": (0, Status.OK),
            "empty": (None, Status.INVALID),
            "denied": (None, Status.DENIED),
            "terajoule": (raw + 10**18, Status.OK),
        }
        return faults.get(kind, (raw, status))

    return fault


@pytest.mark.parametrize("kind", ["zero", "empty", "denied", "terajoule", "reset", "backwards"])
def test_faults_of_counters(kind):
    wave = "square:0.7:50:250"
    text = f"node/cpu0,counter,{wave}"
    error = relative_error(text, wave, 30.0, fault=faulty(kind))
    # a reset loses the interval in which it happened, 0.1 of 30 s, and is reported as lost
    assert error <= 0.005


def test_gaps_of_counters_are_bridged():
    wave = "square:0.7:50:250"
    source = random.Random(5)
    late = lambda: int(source.random() < 0.05) * 3 * 10**9
    assert relative_error(f"node/cpu0,counter,{wave}", wave, 60.0, lateness=late) <= 0.005


def test_counters_of_slow_refresh():
    """Refresh of 100 ms, 10 s: within 2.5 %, and inside the printed interval."""
    inside, errors = 0, []
    source = random.Random(1)
    for _ in range(60):
        shift, period = source.random() * 5, source.uniform(0.3, 3)
        wave = f"square:{period}:50:250:0.5:{shift}"
        sensors, env = sensors_of(f"node/gpu0,counter,{wave},refresh=0.1")
        start = env.time + int(source.random() * 1e9)
        env.time = start
        (curve,) = simulate(sensors, env, 10.0)
        stop = start + 10 * 10**9
        known = parse_wave(wave)
        true = known.energy(stop / 1e9) - known.energy(start / 1e9)
        got = float(curve.between(start, stop))
        errors.append(abs(got / true - 1))
        inside += abs(got - true) <= 2 * random_error(curve, start, stop)
    assert max(errors) <= 0.025
    assert inside >= 0.95 * 60


def power_trials(number: int, seconds: float, period: float) -> tuple[np.ndarray, float]:
    errors, inside = [], 0
    source = random.Random(11)
    for _ in range(number):
        length, share = source.uniform(0.05, 3), source.uniform(0.1, 0.9)
        low, high = source.uniform(20, 100), source.uniform(150, 400)
        wave = f"square:{length}:{low}:{high}:{share}:{source.random()}"
        sensors, env = sensors_of(f"node/gpu0,power,{wave}")
        start = env.time
        (curve,) = simulate(sensors, env, seconds, period=period, u0=source.random())
        stop = start + int(seconds * 1e9)
        known = parse_wave(wave)
        true = known.energy(stop / 1e9) - known.energy(start / 1e9)
        got = float(curve.between(start, stop))
        errors.append(abs(got / true - 1))
        inside += abs(got - true) <= 2 * random_error(curve, start, stop)
    return np.array(errors), inside / number


def test_power_of_200_random_square_loads_at_10_hz():
    errors, coverage = power_trials(200, 60.0, 0.1)
    assert np.quantile(errors, 0.95) <= 0.05
    assert np.quantile(errors, 0.99) <= 0.10
    assert coverage >= 0.93


def test_power_at_50_hz():
    errors, _ = power_trials(30, 60.0, 0.02)
    assert np.quantile(errors, 0.95) <= 0.015


@pytest.mark.parametrize("wave", ["const:100", "ramp:100:0.1:9000", "sine:150:100:1.3"])
def test_power_of_smooth_loads(wave):
    assert relative_error(f"node,power,{wave}", wave, 10.0) <= 0.005


@pytest.mark.parametrize("wave", WAVES)
def test_waves_are_the_integrals_of_their_powers(wave):
    known = parse_wave(wave)
    grid = np.linspace(3.0, 23.0, 200_001)
    powers = np.array([known.power(t) for t in grid])
    middle = float((powers[1:] + powers[:-1]).sum() / 2 * (grid[1] - grid[0]))
    assert known.energy(23.0) - known.energy(3.0) == pytest.approx(middle, rel=5e-4)
