"""What is fitted: by what the user asks for, and what the data allow."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from recycle.durations import to_steps
from recycle.errors import NotEnoughDataError
from recycle.model import HEADS, Settings
from recycle.profiles import RecentHistoricProfile
from recycle.ridge import RidgeConfig

if TYPE_CHECKING:
    from recycle.forecaster import ReCycleForecaster

__all__ = ["check_words", "choose_settings"]

logger = logging.getLogger(__name__)

#: Cycles of the lookbacks whose ridges are averaged.
LOOKBACK_CYCLES = (7, 14, 21, 30)
#: Windows from which on head="auto" trains a network.
NETWORK_WINDOWS = 1000


def check_words(wanted: ReCycleForecaster) -> None:
    """Refuse unknown heads and origins, and configurations of another type."""
    if wanted.head not in {"auto", *HEADS}:
        raise ValueError(f"head must be 'auto' or one of {HEADS}, not {wanted.head!r}")
    if wanted.origins not in {"all", "cycles"}:
        raise ValueError(f"origins must be 'all' or 'cycles', not {wanted.origins!r}")
    for name, kind in (("ridge", "RidgeConfig"), ("network", "NetworkConfig")):
        given = getattr(wanted, name)
        if given is not None and type(given).__name__ != kind:
            raise ValueError(f"{name} must be a {kind}, not {given!r}")


def choose_settings(
    wanted: ReCycleForecaster,
    step: pd.Timedelta,
    split: int,
    horizon: int,
    profile: RecentHistoricProfile,
    super_cycle: int,
    n_series: int,
) -> Settings:
    """Lookbacks, head and network that the data allow.

    Parameters
    ----------
    wanted : ReCycleForecaster
    step : Timedelta
    split, horizon : int
        First step of validation, and steps of the internal horizon.
    profile : RecentHistoricProfile
    super_cycle, n_series : int

    Raises
    ------
    NotEnoughDataError
        If a head was asked for that the data are too short for.
    """
    period = profile.period
    head = wanted.head
    room = (split - horizon) // 2
    if wanted.history == "auto":
        sizes = [cycles * period for cycles in LOOKBACK_CYCLES]
        sizes = [32, 64, 128] if period == 1 else sizes
        lookbacks = tuple(size for size in sizes if size <= room)
    else:
        lookbacks = (to_steps(wanted.history, period, step, "history"),)
    too_short = not lookbacks or max(lookbacks) + horizon > split
    if head not in {"auto", "profile"} and too_short:
        needed = 2 * (7 * period + horizon)
        raise NotEnoughDataError(
            f"head={head!r} needs about {needed} steps for training, there are "
            f"{max(split, 0)}; use head='profile'"
        )
    if head == "auto":
        head = "transformer" if period > 1 else "ridge"
        if (split - horizon - 21 * period) * n_series < NETWORK_WINDOWS:
            head = "ridge"
        if too_short:
            logger.warning("%d steps are too few for a head; the profile is used alone", split)
            head = "profile"
    network = None
    if head in {"transformer", "mlp", "paper"}:
        network = _network(wanted, head, (split - horizon) // (2 * period))
    return Settings(
        horizon,
        profile,
        lookbacks or (period,),
        super_cycle=super_cycle,
        head=head,
        network=network,
        ridge=wanted.ridge or RidgeConfig(),
        gate=wanted.gate,
        refit=wanted.refit,
        aligned=wanted.origins == "cycles",
    )


def _network(wanted: ReCycleForecaster, head: str, most_cycles: int) -> Any:
    from recycle.network.config import PAPER, NetworkConfig

    base = PAPER if head == "paper" else NetworkConfig(kind=head)
    config = wanted.network or replace(base, seed=wanted.seed)
    aligned = config.aligned or wanted.origins == "cycles"
    most = max(1, min(config.history, most_cycles))
    return replace(config, kind=head, history=most, aligned=aligned)
