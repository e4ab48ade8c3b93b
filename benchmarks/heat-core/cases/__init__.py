"""The rows of ``table.py`` and ``analytics.py``. A new row is a `Case` in one of these modules."""

from cases import (
    algebra,
    decompositions,
    elementwise,
    estimators,
    files,
    indexing,
    learning,
    random_numbers,
    rearranging,
    reductions,
    small,
    sorting,
)
from cases.case import LIBRARIES, Case, Data, File

CASES: tuple[Case, ...] = (
    *elementwise.CASES,
    *reductions.CASES,
    *indexing.CASES,
    *rearranging.CASES,
    *sorting.CASES,
    *random_numbers.CASES,
    *algebra.CASES,
    *estimators.CASES,
    *files.CASES,
    *small.CASES,
)

# Of analytics.py: what costs more than a few calls to compare with every library.
ANALYTICS: tuple[Case, ...] = (*decompositions.CASES, *learning.CASES)

__all__ = ["ANALYTICS", "CASES", "LIBRARIES", "Case", "Data", "File"]
