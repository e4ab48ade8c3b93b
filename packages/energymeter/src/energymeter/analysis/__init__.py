"""From stored readings to energies: pure functions of what is in a run directory."""

__all__: list[str] = []
