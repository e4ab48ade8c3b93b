"""Forecasts of cyclic time series: an explainable profile, and what can be learnt beyond it."""

from recycle._version import __version__
from recycle.calendars import Calendar
from recycle.detection import CycleInfo, detect_cycle
from recycle.errors import DataError, ModelFileError, NotEnoughDataError, NotFittedError
from recycle.forecaster import ReCycleForecaster
from recycle.panels import Panel, read_panel
from recycle.profiles import RecentHistoricProfile
from recycle.ridge import CycleRidge, RidgeConfig
from recycle.windows import PrimaryCycleCompression

__all__ = [
    "Calendar",
    "CycleInfo",
    "CycleRidge",
    "DataError",
    "ModelFileError",
    "NotEnoughDataError",
    "NotFittedError",
    "Panel",
    "PrimaryCycleCompression",
    "ReCycleForecaster",
    "RecentHistoricProfile",
    "RidgeConfig",
    "__version__",
    "detect_cycle",
    "read_panel",
]
