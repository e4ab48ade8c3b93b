"""Arrays on a second device that needs no GPU; torch would keep it, hence a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

backend = pytest.importorskip("torch.utils.backend_registration")
CHECKS = Path(__file__).with_name("second_device_checks.py")


@pytest.mark.skipif(
    not hasattr(backend, "_setup_privateuseone_for_python_backend"),
    reason="this torch has no device written in Python",
)
@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("ranks", "marks"), [(1, "not parallel or parallel[1]"), (2, "parallel[2]")]
)
def test_arrays_on_a_second_device(mpirun, ranks: int, marks: str) -> None:
    options = ["-q", "-x", "-m", marks, "-p", "no:cacheprovider"]
    result = mpirun(ranks, ["-m", "pytest", str(CHECKS), *options], timeout=180)
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]
    assert result.stdout.count(" passed") == ranks
