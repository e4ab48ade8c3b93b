"""Fakes of vendor libraries; put this folder in front of the import path."""

__all__: list[str] = []
