"""Search for parameters by the package propulate, which is the only place that imports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from recycle.errors import NotEnoughDataError

if TYPE_CHECKING:
    from recycle.forecaster import ReCycleForecaster

__all__ = ["Tuned", "tune", "with_choice"]


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    forecaster : ReCycleForecaster
        With the best parameters, not fitted.
    loss, before : float
        Of the best parameters, and of those at the start.
    trials : DataFrame
        Parameters and losses, in the order of their evaluation.
    """

    forecaster: ReCycleForecaster
    loss: float
    before: float
    trials: pd.DataFrame


def tune(
    forecaster: ReCycleForecaster,
    y: Any,
    X: Any = None,
    *,
    evaluations: int = 30,
    metric: str = "mae",
    folds: int = 2,
    space: Mapping[str, Any] | None = None,
    comm: Any = None,
) -> Tuned:
    """Search for parameters by fits on growing parts of the data. Collective.

    Each rank evaluates candidates of its own. Keep the data that shall judge the result out of it.

    Parameters
    ----------
    forecaster : ReCycleForecaster
        Where the search starts; what is not searched for stays as it is.
    y, X : like those of `fit`
    evaluations : int
        Candidates, over all ranks.
    metric : str
        In `recycle.metrics.METRICS`; means over the folds.
    folds : int
        Fits of each candidate, see `cross_validate`.
    space : mapping, optional
        Names and limits as propulate has them: of parameters of the forecaster, or, for networks,
        of its `NetworkConfig`; "cycles" is the history of both. Default: "cycles" and "k", and for
        networks also their widths, heads and rate.
    comm : mpi_utils.Communicator, optional
        Ranks that share the candidates; default: the world.

    Returns
    -------
    Tuned
        The start's parameters, if nothing better was found.
    """
    try:
        import propulate
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("tune needs propulate: pip install 'recycle[tune]'") from error

    def loss(params: Mapping[str, Any]) -> float:
        return _loss(with_choice(forecaster, params), y, X, metric, folds)

    before = _loss(forecaster, y, X, metric, folds)
    search = propulate.Propulator(
        loss,
        limits=dict(space or _default_space(forecaster.head)),
        max_evaluations=evaluations,
        seed=forecaster.seed,
        checkpoint_path=None,
        on_duplicate="cache",
        comm=comm,
    )
    result = search.propulate()
    better = result.best_loss < before
    return Tuned(
        with_choice(forecaster, result.best_params if better else {}),
        result.best_loss if better else before,
        before,
        result.to_dataframe(),
    )


def with_choice(forecaster: ReCycleForecaster, choice: Mapping[str, Any]) -> ReCycleForecaster:
    """A forecaster with some parameters changed, those of its network among them."""
    from recycle.network.config import PAPER, NetworkConfig

    params, changed = forecaster.get_params(), dict(choice)
    cycles = changed.pop("cycles", None)
    if forecaster.head != "ridge":
        known = {field.name for field in fields(NetworkConfig)} - {"seed"}
        own = {name: changed.pop(name) for name in known & set(changed)}
        if cycles is not None:
            own["history"] = int(cycles)
        start = PAPER if forecaster.head == "paper" else NetworkConfig()
        base = params["network"] or replace(start, seed=forecaster.seed)
        if own:
            params["network"] = replace(base, **own)
    elif cycles is not None:
        params["history"] = f"{int(cycles)}c"
    return type(forecaster)(**params).set_params(**changed)


def _default_space(head: str) -> dict[str, Any]:
    from propulate import Float, Int, Ordinal

    space: dict[str, Any] = {"cycles": Int(7, 42), "k": Int(2, 8)}
    if head != "ridge":
        space |= {
            "d_model": Ordinal([16, 32, 64, 128]),
            "n_heads": Ordinal([1, 2, 4]),
            "d_ff": Ordinal([32, 64, 128, 256]),
            "rate": Float(1e-4, 1e-2, log=True),
        }
    return space


def _loss(forecaster: ReCycleForecaster, y: Any, x: Any, metric: str, folds: int) -> float:
    """The mean error over folds; infinite if the data are too short for the candidate."""
    try:
        table = forecaster.cross_validate(y, x, folds=folds, metrics=(metric,))
    except NotEnoughDataError:
        return float("inf")
    return float(table.loc[table["forecast"] == "model", metric].mean())
