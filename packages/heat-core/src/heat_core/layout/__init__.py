"""Layouts of distributed arrays, exchange plans between them, and their execution."""

from heat_core.layout.layout import (
    Layout,
    canonical_counts,
    canonical_layout,
    displacements,
    replicated_layout,
)
from heat_core.layout.plans import Plan, mirror_plan, redistribution_plan, resplit_plan

__all__ = [
    "Layout",
    "Plan",
    "canonical_counts",
    "canonical_layout",
    "displacements",
    "mirror_plan",
    "redistribution_plan",
    "replicated_layout",
    "resplit_plan",
]
