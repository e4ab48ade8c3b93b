"""The OpenMetrics text format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Family", "document"]

ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass
class Family:
    """Samples of one metric: `kind` is counter or gauge, `unit` the end of its name, if any.

    `text` explains it to readers.
    """

    name: str
    kind: str
    unit: str = ""
    text: str = ""
    samples: list[str] = field(default_factory=list)

    def add(self, value: float, labels: Mapping[str, str]) -> None:
        """Add a sample."""
        text = ",".join(f'{key}="{entry.translate(ESCAPES)}"' for key, entry in labels.items())
        suffix = "_total" if self.kind == "counter" else ""
        self.samples.append(f"{self.name}{suffix}{{{text}}} {value!r}")

    def lines(self) -> list[str]:
        """Its description and its samples."""
        unit = [f"# UNIT {self.name} {self.unit}"] if self.unit else []
        text = [f"# HELP {self.name} {self.text}"] if self.text else []
        return [f"# TYPE {self.name} {self.kind}", *unit, *text, *self.samples]


def document(families: Iterable[Family]) -> str:
    """A whole file."""
    return "\n".join([*(line for family in families for line in family.lines()), "# EOF"]) + "\n"
