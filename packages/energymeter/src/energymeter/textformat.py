"""Lines of the OpenMetrics text format."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["metric"]

ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def metric(name: str, value: float, labels: Mapping[str, str]) -> str:
    """One sample: name, labels and value."""
    text = ",".join(f'{key}="{value.translate(ESCAPES)}"' for key, value in labels.items())
    return f"{name}{{{text}}} {value!r}"
