"""The command ``energymeter``."""

__all__: list[str] = []
