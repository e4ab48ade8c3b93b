"""The rows of the table. A new row is a `Case` in one of these modules."""

from cases import (
    algebra,
    elementwise,
    estimators,
    files,
    indexing,
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

__all__ = ["CASES", "LIBRARIES", "Case", "Data", "File"]
