"""The former place of ``getitem``."""

from heat_core.indexing.access import getitem

__all__ = ["getitem"]
