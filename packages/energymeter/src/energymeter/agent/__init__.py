"""The agent: the process that reads the sensors of a node. Standard library only."""

__all__: list[str] = []
