"""A fake of nvidia-ml-py: boards from the JSON file that ``ENERGYMETER_FAKE_GPUS`` names.

A board has ``uuid``, ``name``, and as far as it supports them ``energy`` (mJ), ``instant`` and
``power`` (mW), ``utilisation`` (%), ``processes``, ``temperature`` (degrees C), ``clock`` (MHz),
``memory`` (bytes), ``limit`` (mW) and ``architecture``; ``lost`` makes all fail.
``watts`` adds a constant power to the counter, on the monotonic clock.
"""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

NVML_TEMPERATURE_GPU, NVML_CLOCK_SM = 0, 1


class NVMLError(Exception):
    """Any failure."""


def _boards() -> list[dict[str, Any]]:
    boards: list[dict[str, Any]] = json.loads(Path(os.environ["ENERGYMETER_FAKE_GPUS"]).read_text())
    return [board for board in boards if "uuid" in board]


def _get(handle: str, key: str) -> Any:
    for board in _boards():
        if board["uuid"] == handle and not board.get("lost"):
            if key in board:
                return board[key]
            raise NVMLError("Not Supported")
    raise NVMLError("GPU is lost")


def nvmlInit() -> None:  # noqa: N802, D103
    _boards()


def nvmlDeviceGetCount() -> int:  # noqa: N802, D103
    return len(_boards())


def nvmlDeviceGetHandleByIndex(index: int) -> str:  # noqa: N802, D103
    return str(_boards()[index]["uuid"])


def nvmlDeviceGetHandleByUUID(uuid: str) -> str:  # noqa: N802, D103
    return str(_get(uuid, "uuid"))


def nvmlDeviceGetUUID(handle: str) -> str:  # noqa: N802, D103
    return handle


def nvmlDeviceGetName(handle: str) -> bytes:  # noqa: N802, D103
    return str(_get(handle, "name")).encode()


def nvmlDeviceGetArchitecture(handle: str) -> int:  # noqa: N802, D103
    return int(_get(handle, "architecture"))


def nvmlDeviceGetTotalEnergyConsumption(handle: str) -> int:  # noqa: N802, D103
    base = int(_get(handle, "energy"))
    watts = next(board.get("watts", 0) for board in _boards() if board["uuid"] == handle)
    return base + int(watts * time.monotonic_ns() / 1e6)


def nvmlDeviceGetPowerUsage(handle: str) -> int:  # noqa: N802, D103
    return int(_get(handle, "power"))


def nvmlDeviceGetUtilizationRates(handle: str) -> SimpleNamespace:  # noqa: N802, D103
    return SimpleNamespace(gpu=int(_get(handle, "utilisation")))


def nvmlDeviceGetComputeRunningProcesses(handle: str) -> list[int]:  # noqa: N802, D103
    return list(range(int(_get(handle, "processes"))))


def nvmlDeviceGetFieldValues(handle: str, fields: list[int]) -> list[SimpleNamespace]:  # noqa: N802, D103
    value = SimpleNamespace(uiVal=int(_get(handle, "instant")))
    return [SimpleNamespace(nvmlReturn=0, value=value) for _ in fields]


def nvmlDeviceGetTemperature(handle: str, _sensor: int) -> int:  # noqa: N802, D103
    return int(_get(handle, "temperature"))


def nvmlDeviceGetClockInfo(handle: str, _clock: int) -> int:  # noqa: N802, D103
    return int(_get(handle, "clock"))


def nvmlDeviceGetMemoryInfo(handle: str) -> SimpleNamespace:  # noqa: N802, D103
    return SimpleNamespace(used=int(_get(handle, "memory")))


def nvmlDeviceGetEnforcedPowerLimit(handle: str) -> int:  # noqa: N802, D103
    return int(_get(handle, "limit"))
