"""Which singular values count as zero."""

from __future__ import annotations

from typing import Any

from heat_core.array.dndarray import DNDarray
from heat_core.dispatch.operands import coerce, common_comm
from heat_core.dtypes import finfo
from heat_core.ops.shape import expand_dims

__all__ = ["relative_tolerance"]


def relative_tolerance(x: DNDarray, rtol: Any) -> Any:
    """``rtol`` with an axis for singular values, or the default for matrices ``x``.

    The default is ``max(m, n)`` times the machine epsilon. Local.
    """
    if rtol is None:
        return max(x.shape[-2:]) * finfo(x.dtype).eps
    given = coerce(rtol, common_comm((x, rtol)))
    return expand_dims(given, -1) if isinstance(given, DNDarray) else given
