"""What is fuzzed: how intact input is made and read, and which errors are the right answer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["TARGETS", "Target"]


@dataclass(frozen=True)
class Target:
    """A reader of files.

    Attributes
    ----------
    prepare : function
        Writes intact files into an empty folder, and returns those that are to be damaged.
    read : function
        Reads what is in the folder.
    errors : tuple of exception types
        What bad input may raise.
    """

    prepare: Callable[[Path], list[Path]]
    read: Callable[[Path], object]
    errors: tuple[type[Exception], ...] = (ValueError, OSError)


def _csv(folder: Path) -> list[Path]:
    rows = "\n".join(f"{i},{i / 7:.3f},{-i}e-3" for i in range(30))
    (folder / "a.csv").write_text(f"x,y,z\n{rows}\n")
    return [folder / "a.csv"]


def _read_csv(folder: Path) -> object:
    import heat_core as ht

    return ht.load_csv(str(folder / "a.csv"), header_lines=1)


def _npy(folder: Path) -> list[Path]:
    import numpy as np

    np.save(folder / "a.npy", np.arange(60.0).reshape(12, 5))
    return [folder / "a.npy"]


def _read_npy(folder: Path) -> object:
    import heat_core as ht

    return ht.load(str(folder / "a.npy"), split=0)


def _npz(folder: Path) -> list[Path]:
    import numpy as np
    from scipy import sparse

    np.savez_compressed(folder / "a.npz", x=np.arange(60.0).reshape(12, 5), y=np.eye(3))
    sparse.save_npz(folder / "b.npz", sparse.random(9, 7, 0.3, "csr", random_state=1))
    return [folder / "a.npz", folder / "b.npz"]


def _read_npz(folder: Path) -> object:
    import heat_core as ht

    return ht.load_npz(folder / "a.npz", split=0), ht.sparse.load_npz(folder / "b.npz", split=0)


def _sharded(folder: Path) -> list[Path]:
    import heat_core as ht

    ht.save_sharded(ht.arange(40, split=0).reshape((10, 4)), folder / "saved")
    return sorted(path for path in (folder / "saved").iterdir() if path.is_file())


def _read_sharded(folder: Path) -> object:
    import heat_core as ht

    return ht.load_sharded(folder / "saved", split=0)


def _search(folder: Path) -> list[Path]:
    import propulate

    propulate.Propulator(
        lambda p: float(p["x"]) ** 2 + int(p["n"]),
        limits={"x": (-5.0, 5.0), "n": (1, 9), "kind": ("a", "b", "c")},
        max_evaluations=20,
        seed=1,
        checkpoint_path=folder / "run",
    ).propulate()
    return sorted((folder / "run").rglob("*.pj"))


def _read_search(folder: Path) -> object:
    from propulate.storage.history import population_of, read_history

    return population_of(read_history(folder / "run" / "propulate"))


def _space(folder: Path) -> list[Path]:
    from propulate.space.description import describe
    from propulate.space.limits import parameters_from_limits

    limits = {"x": (1e-3, 5.0), "n": (1, 9), "kind": ("a", "b", "c")}
    described = describe(parameters_from_limits(limits))
    (folder / "space.json").write_text(json.dumps(described))
    return [folder / "space.json"]


def _read_space(folder: Path) -> object:
    from propulate.space.description import restore

    return restore(json.loads((folder / "space.json").read_bytes()))


def _journal(folder: Path) -> list[Path]:
    from energymeter.journal import JournalWriter
    from energymeter.sensors import Status

    writer = JournalWriter(folder / "node.emj", {"version": 1, "sensors": []})
    for i in range(300):
        writer.sample(i % 3, 10**7 * i, i * 1000, Status.OK)
        if i % 50 == 0:
            writer.event("mark", 10**7 * i, value=i)
            writer.flush()
    writer.close()
    return [folder / "node.emj"]


def _read_journal(folder: Path) -> object:
    from energymeter.journal import JournalReader

    return JournalReader(folder / "node.emj")


CONFIGURATION = """period = 0.1
pue = 1.2
include = ["rapl:*"]
[[sensor]]
backend = "file"
path = "/run/power"
unit = "W"
[cpu]
idle = 20
"""


def _configuration(folder: Path) -> list[Path]:
    (folder / "energymeter.toml").write_text(CONFIGURATION)
    return [folder / "energymeter.toml"]


def _read_configuration(folder: Path) -> object:
    from energymeter.settings import load_settings

    return load_settings(
        {}, folder / "energymeter.toml", environ={"HOME": str(folder)}, folder=folder
    )


def _sensors(folder: Path) -> list[Path]:
    files = {
        "sys/class/powercap/intel-rapl:0/name": "package-0",
        "sys/class/powercap/intel-rapl:0/energy_uj": "123456789",
        "sys/class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850",
        "sys/class/hwmon/hwmon0/name": "amdgpu",
        "sys/class/hwmon/hwmon0/power1_average": "35000000",
        "sys/class/hwmon/hwmon0/power1_label": "PPT",
        "sys/class/power_supply/BAT0/type": "Battery",
        "sys/class/power_supply/BAT0/status": "Discharging",
        "sys/class/power_supply/BAT0/power_now": "9000000",
        "sys/cray/pm_counters/energy": "14321 J 1500000000 us",
        "sys/cray/pm_counters/cpu_energy": "4321 J 1500000000 us",
        "sys/cray/pm_counters/freshness": "7",
        "proc/stat": "cpu  100 0 50 1000 5 0 0 0 0 0\ncpu0 100 0 50 1000 5 0 0 0 0 0\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")
    return [folder / name for name in files]


def _read_sensors(folder: Path) -> object:
    from energymeter.backends.registry import discover, get_backend
    from energymeter.config import MeterConfig
    from energymeter.environment import Environment
    from energymeter.sensors import Sensor

    env = Environment({"ENERGYMETER_SYSROOT": str(folder), "ENERGYMETER_COMMANDS": str(folder)})
    readings = []
    for name in ("rapl", "hwmon", "battery", "cray", "proc"):
        config = MeterConfig(backends=f"{name},-proc" if name != "proc" else name)
        sensors = [probe for probe in discover(config, env) if isinstance(probe, Sensor)]
        if sensors:
            reader = get_backend(name, config).open(sensors, env)
            readings.append(reader.read())
            reader.close()
    return readings


def _series(folder: Path) -> list[Path]:
    rows = "\n".join(f"2024-01-{1 + i // 24:02}T{i % 24:02}:00,{i % 24}.5,{i}" for i in range(240))
    (folder / "load.csv").write_text(f"time,load,other\n{rows}\n")
    return [folder / "load.csv"]


def _read_series(folder: Path) -> object:
    from recycle.files import read_table
    from recycle.panels import read_panel

    return read_panel(read_table(folder / "load.csv"))


def _forecaster(folder: Path) -> list[Path]:
    import recycle
    from recycle.datasets import make_cyclic

    table = make_cyclic(40, seed=0)
    recycle.ReCycleForecaster(horizon=24, head="ridge").fit(table).save(folder / "model.recycle")
    return [folder / "model.recycle"]


def _read_forecaster(folder: Path) -> object:
    import recycle

    return recycle.ReCycleForecaster.load(folder / "model.recycle")


def _arrays(folder: Path) -> list[Path]:
    import h5py
    import numpy as np

    time, values = 3600 * np.arange(240), np.sin(np.arange(480.0)).reshape(240, 2)
    np.savez(folder / "load.npz", time=time, values=values, columns=np.array(["a", "b"]))
    with h5py.File(folder / "load.h5", "w") as file:
        file["time"], file["values"] = time, values
    return [folder / "load.npz", folder / "load.h5"]


def _read_arrays(folder: Path) -> object:
    from recycle.files import read_table
    from recycle.panels import read_panel

    return [read_panel(read_table(path)) for path in sorted(folder.glob("load.*"))]


def _compact(folder: Path) -> list[Path]:
    import recycle
    from recycle.datasets import make_cyclic

    y = make_cyclic(40, seed=0)["y"]
    fitted = recycle.ReCycleForecaster(horizon=24, head="ridge").fit(y)
    return [fitted.export(folder / "model.npz")]


def _read_compact(folder: Path) -> object:
    from recycle.edge import EdgeForecaster

    return EdgeForecaster(folder / "model.npz")


def _parameters(folder: Path) -> list[Path]:
    (folder / "a.toml").write_text('head = "ridge"\nhorizon = "1c"\n[ridge]\nrank = 2\n')
    (folder / "a.json").write_text('{"k": 5, "network": {"d_model": 16}}')
    return [folder / "a.toml", folder / "a.json"]


def _read_parameters(folder: Path) -> object:
    from recycle.configfile import parameters_from

    return [parameters_from(path) for path in sorted(folder.glob("a.*"))]


def _idx(folder: Path) -> list[Path]:
    import numpy as np

    for part in ("train", "t10k"):
        for kind, shape in (("images-idx3", (9, 4, 4)), ("labels-idx1", (9,))):
            array = np.zeros(shape, np.uint8)
            head = b"\0\0\x08" + bytes([array.ndim]) + np.array(shape, ">u4").tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(head + array.tobytes())
    return sorted(folder.iterdir())


def _read_idx(folder: Path) -> object:
    from f3.compare import load

    return load(folder.name, folder.parent)


def _outcomes(folder: Path) -> list[Path]:
    from f3.compare.results import Outcome, append

    file = folder / "runs.csv"
    append(
        file,
        [Outcome("digits", "bp", 1, 100, 3, 1e-3, seed, "test", 0.9, 1.0) for seed in range(9)],
    )
    return [file]


def _read_outcomes(folder: Path) -> object:
    from f3.compare.results import read_outcomes

    return read_outcomes(folder / "runs.csv")


TARGETS = {
    "heat-core CSV": Target(_csv, _read_csv),
    "heat-core npy": Target(_npy, _read_npy),
    "heat-core npz": Target(_npz, _read_npz),
    "heat-core shards": Target(_sharded, _read_sharded),
    "propulate journal": Target(_search, _read_search),
    "propulate space": Target(_space, _read_space),
    "energymeter journal": Target(_journal, _read_journal),
    "energymeter configuration": Target(_configuration, _read_configuration),
    "energymeter sensors": Target(_sensors, _read_sensors, ()),
    "recycle table": Target(_series, _read_series),
    "recycle model": Target(_forecaster, _read_forecaster),
    "recycle arrays": Target(_arrays, _read_arrays),
    "recycle compact": Target(_compact, _read_compact),
    "recycle parameters": Target(_parameters, _read_parameters),
    "f3 images": Target(_idx, _read_idx),
    "f3 outcomes": Target(_outcomes, _read_outcomes),
}
os.environ.setdefault("OMP_NUM_THREADS", "1")
