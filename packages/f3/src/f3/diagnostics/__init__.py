"""What happens in training: memory, costs, alignment, saturation; staleness is in `f3.sources`."""

from f3.diagnostics.alignment import BlockAlignment, alignment, saturation
from f3.diagnostics.estimate import Estimate, estimate
from f3.diagnostics.memory import LiveMemory

__all__ = [
    "BlockAlignment",
    "Estimate",
    "LiveMemory",
    "alignment",
    "estimate",
    "saturation",
]
