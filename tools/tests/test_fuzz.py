"""That the fuzzer finds what it is for."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tools.fuzz.__main__ import attempt, fuzz
from tools.fuzz.mutation import mutated
from tools.fuzz.targets import TARGETS, Target


def test_damage_is_the_same_for_the_same_seed_and_seldom_none() -> None:
    data = bytes(range(48, 112))
    first = [mutated(data, random.Random(seed)) for seed in range(200)]
    assert first == [mutated(data, random.Random(seed)) for seed in range(200)]
    assert sum(damaged != data for damaged in first) > 180
    assert mutated(b"", random.Random(0)) == b""


def test_wrong_errors_are_findings(tmp_path: Path) -> None:
    def read(folder: Path) -> object:
        raise KeyError(folder.name)

    kind, message = attempt(Target(lambda folder: [], read), tmp_path)
    assert kind.startswith("KeyError at test_fuzz.py") and tmp_path.name in message
    assert attempt(Target(lambda folder: [], read, (KeyError,)), tmp_path) == ("refused", "")


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_refused_or_read(name: str, tmp_path: Path) -> None:
    """A short run with a fixed seed; the long ones are made by hand."""
    assert fuzz(name, rounds=25, seed=1, keep=tmp_path, guarded=False) == 0
