"""Reports and exports: functions of a run."""

__all__: list[str] = []
