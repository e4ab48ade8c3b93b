"""How exact energies are: the agent's own loop and the analysis on loads of known energy.

``python benchmarks/energymeter/accuracy.py [--quick] [--json FILE]``. All but the last line is on a
virtual clock, so that minutes take milliseconds, and the truth is a formula. The last line measures
real processes: how far the window of a run is from the time that the application had. The exit
status is 1 if a bar is not met.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from energymeter.analysis.uncertainty import random_error
from energymeter.backends.wave import WaveBackend
from energymeter.run import latest_run, load
from energymeter.sensors import Sensor, Status
from energymeter.testing import VirtualEnvironment, parse_wave, simulate

WAVES = {
    "constant": "const:100",
    "ramp": "ramp:100:10:60",
    "sine": "sine:150:100:1.3",
    "square, 2 s": "square:2:50:250",
    "square, 0.7 s": "square:0.7:50:250",
    "bursts": "burst:50:300:0.1:1",
    "random": "random:7:50:400:0.3",
}
PERIODS = (0.02, 0.1, 0.37, 1.0)
Trial = tuple[float, bool]  # relative error, and whether the truth is in ± 2 sigma


@dataclass(frozen=True)
class Line:
    """One figure and its bar; `least`: the bar is a lower one."""

    what: str
    value: float
    bar: float
    least: bool = False
    unit: str = "%"

    @property
    def met(self) -> bool:
        """Whether the bar is held."""
        return self.value >= self.bar if self.least else self.value <= self.bar


def trial(source: str, wave: str, seconds: float, start: float, **options: object) -> Trial:
    """Measure a source for a while, and compare with the formula."""
    env = VirtualEnvironment({"ENERGYMETER_WAVES": source}, time=int(start * 1e9))
    sensors = [s for s in WaveBackend().discover(env) if isinstance(s, Sensor)]
    begin = env.time
    (curve,) = simulate(sensors, env, seconds, **options)  # type: ignore[arg-type]
    stop = begin + int(seconds * 1e9)
    known = parse_wave(wave)
    true = known.energy(stop / 1e9) - known.energy(begin / 1e9)
    got = float(curve.between(begin, stop))
    return abs(got / true - 1), abs(got - true) <= 2 * random_error(curve, begin, stop)


def counters(starts: list[float]) -> list[Line]:
    """Any wave, any period up to a second, runs of 2 s and more."""
    return [
        Line(
            f"counter, {name}",
            max(
                trial(f"node/cpu0,counter,{wave},quantum=1e-4", wave, length, start, period=p)[0]
                for p in PERIODS
                for length in (2.0, 5.3)
                for start in starts
            ),
            0.005,
        )
        for name, wave in WAVES.items()
    ]


def fault_of(kind: str) -> Callable[..., tuple[int | None, Status]]:
    """A tenth of the readings fail in one way; a reset comes once."""
    source = random.Random(3)
    first: list[int] = []

    def fault(
        _index: int, number: int, raw: int | None, status: Status
    ) -> tuple[int | None, Status]:
        assert raw is not None
        if kind == "reset":
            if number > 50 and not first:
                first.append(raw)
            return (raw - first[0] + 1000, status) if first else (raw, status)
        if source.random() > 0.1 or number < 2:
            return raw, status
        failures: dict[str, tuple[int | None, Status]] = {
            "zeros": (0, Status.OK),
            "empty files": (None, Status.INVALID),
            "permission denied": (None, Status.DENIED),
            "a jump of a terajoule": (raw + 10**18, Status.OK),
            "partly written numbers": (raw // 1000, Status.OK),
        }
        return failures[kind]

    return fault


FAULTS = (
    "zeros",
    "empty files",
    "permission denied",
    "a jump of a terajoule",
    "partly written numbers",
    "reset",
)


def faults() -> list[Line]:
    """What goes wrong with counters, in 30 s of the square load; wraps every 1.5 s; long gaps."""
    wave = WAVES["square, 0.7 s"]
    plain = f"node/cpu0,counter,{wave}"
    found = [
        Line(f"counter, {kind}", trial(plain, wave, 30, 987.6, fault=fault_of(kind))[0], 0.005)
        for kind in FAULTS
    ]
    wraps = []
    for shape in WAVES.values():
        modulus = 1.5 * parse_wave(shape).energy(1000.0) / 1000.0
        source = f"node/cpu0,counter,{shape},modulus={modulus}"
        wraps.append(trial(source, shape, 20, 987.6)[0])
    found.append(Line("counter, wraps every 1.5 s", max(wraps), 0.005))
    noise = random.Random(5)
    late = {"lateness": lambda: int(noise.random() < 0.05) * 3 * 10**9}
    found.append(Line("counter, gaps of 3 s", trial(plain, wave, 60, 987.6, **late)[0], 0.005))
    return found


def refresh(number: int) -> list[Line]:
    """Counters that change ten times a second only, as those of GPUs: 10 s of random squares."""
    source, trials = random.Random(1), []
    for _ in range(number):
        wave = f"square:{source.uniform(0.3, 3)}:50:250:0.5:{source.random() * 5}"
        text = f"node/gpu0,counter,{wave},refresh=0.1"
        trials.append(trial(text, wave, 10, 1000 + source.random()))
    inside = sum(ok for _, ok in trials) / number
    worst = max(error for error, _ in trials)
    return [
        Line("counter refreshed at 10 Hz, worst of 10 s", worst, 0.025),
        Line("  truth in ± 2 sigma", inside, 0.95, least=True),
    ]


def powers(number: int, period: float) -> list[Line]:
    """Powers: 60 s of random square loads."""
    source, trials = random.Random(11), []
    for _ in range(number):
        length, share = source.uniform(0.05, 3), source.uniform(0.1, 0.9)
        low, high = source.uniform(20, 100), source.uniform(150, 400)
        wave = f"square:{length}:{low}:{high}:{share}:{source.random()}"
        trials.append(
            trial(f"node,power,{wave}", wave, 60, 1000, period=period, u0=source.random())
        )
    errors = np.array([error for error, _ in trials])
    name = f"power at {1 / period:.0f} Hz, {number} random squares"
    if period < 0.1:
        return [Line(f"{name}, 95 %", float(np.quantile(errors, 0.95)), 0.015)]
    return [
        Line(f"{name}, 95 %", float(np.quantile(errors, 0.95)), 0.05),
        Line(f"{name}, 99 %", float(np.quantile(errors, 0.99)), 0.10),
        Line("  truth in ± 2 sigma", sum(ok for _, ok in trials) / number, 0.93, least=True),
    ]


def smooth() -> list[Line]:
    """Powers at 10 Hz of smooth loads over 10 s."""
    waves = {"constant": "const:100", "ramp": WAVES["ramp"], "sine": "sine:150:100:1.3"}
    return [
        Line(f"power at 10 Hz, {name}", trial(f"node,power,{w}", w, 10, 987.6)[0], 0.005)
        for name, w in waves.items()
    ]


def window(number: int) -> list[Line]:
    """Real processes: a shell tells when it runs; the rest of the window is starting and ending."""
    bash = shutil.which("bash")
    if bash is None:
        return []
    script = "echo $EPOCHREALTIME; sleep 0.3; echo $EPOCHREALTIME"
    errors = []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "energymeter", "run", "--quiet", "--mode", "supervise"]
        for _ in range(number):
            done = subprocess.run(
                [*command, "--", bash, "-c", script],
                cwd=folder,
                check=True,
                capture_output=True,
                text=True,
            )
            first, last = map(float, done.stdout.replace(",", ".").split())
            run = load(latest_run(Path(folder) / "energymeter"))
            errors.append(run.result.seconds - (last - first))
    return [
        Line(f"window of {number} real runs, median", 1e3 * float(np.median(errors)), 10, unit="ms")
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    starts = [987.654321] if options.quick else [987.654321, 1000.0, 1001.37, 1002.71]
    lines = [*counters(starts), *faults(), *refresh(60 if options.quick else 200), *smooth()]
    lines += powers(200, 0.1)
    lines += powers(30 if options.quick else 100, 0.02)
    lines += window(5 if options.quick else 15)
    print(f"{'relative error of the energy, worst unless stated':52} {'found':>10} {'bar':>9}")
    for line in lines:
        scale, unit = (100, "%") if line.unit == "%" else (1, line.unit)
        sign = ">=" if line.least else "<="
        value, bar = f"{line.value * scale:.3f} {unit}", f"{sign} {line.bar * scale:g} {unit}"
        print(f"{line.what:52} {value:>10} {bar:>9}{'' if line.met else '   NOT MET'}")
    if options.json:
        options.json.write_text(json.dumps([asdict(line) for line in lines], indent=2))
    return 0 if all(line.met for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
