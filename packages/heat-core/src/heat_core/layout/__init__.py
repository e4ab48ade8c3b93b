"""Layouts of distributed arrays, exchange plans between them, and their execution."""

from heat_core.layout.layout import (
    Layout,
    canonical_counts,
    canonical_layout,
    displacements,
    replicated_layout,
)
from heat_core.layout.plans import Plan, mirror_plan, redistribution_plan, resplit_plan
from heat_core.layout.segments import Segment, assembly_plan, intervals_plan

__all__ = [
    "Layout",
    "Plan",
    "Segment",
    "assembly_plan",
    "canonical_counts",
    "canonical_layout",
    "displacements",
    "intervals_plan",
    "mirror_plan",
    "redistribution_plan",
    "replicated_layout",
    "resplit_plan",
]
