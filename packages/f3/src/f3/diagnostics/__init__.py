"""What happens in training: memory, alignment, staleness, saturation."""

from f3.diagnostics.memory import LiveMemory

__all__ = ["LiveMemory"]
