"""A fake of amdsmi: boards from the JSON file that ``ENERGYMETER_FAKE_GPUS`` names.

A board has ``amd``, and as far as it supports them ``energy`` and ``power``, the dictionaries that
the library returns, and ``utilisation`` (%). ``uninitialised`` makes all calls fail until the
library has been initialised twice.
"""

import json
import os
from pathlib import Path
from typing import Any

_calls = {"init": 0}


class AmdSmiException(Exception):  # noqa: N818 - its name in the library
    """Any failure."""


def _boards() -> list[dict[str, Any]]:
    boards: list[dict[str, Any]] = json.loads(Path(os.environ["ENERGYMETER_FAKE_GPUS"]).read_text())
    return [board for board in boards if "amd" in board]


def _get(handle: int, key: str) -> Any:
    board = _boards()[handle]
    if board.get("uninitialised") and _calls["init"] < 3:
        raise AmdSmiException("AMDSMI_STATUS_NOT_INIT")
    if key not in board:
        raise AmdSmiException("AMDSMI_STATUS_NOT_SUPPORTED")
    return board[key]


def amdsmi_init() -> None:
    """Initialise."""
    _calls["init"] += 1


def amdsmi_get_processor_handles() -> list[int]:
    """Numbers of the boards."""
    return list(range(len(_boards())))


def amdsmi_get_energy_count(handle: int) -> dict[str, Any]:
    """The energy accumulator."""
    return dict(_get(handle, "energy"))


def amdsmi_get_power_info(handle: int) -> dict[str, Any]:
    """The power."""
    return dict(_get(handle, "power"))


def amdsmi_get_gpu_activity(handle: int) -> dict[str, Any]:
    """The utilisation."""
    return {"gfx_activity": _get(handle, "utilisation")}
