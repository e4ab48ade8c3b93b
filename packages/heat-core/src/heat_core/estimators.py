"""What every estimator has: scikit-learn's contract, without depending on scikit-learn."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any, ClassVar, TypeVar

from heat_core.array.dndarray import DNDarray
from heat_core.ops.moments import mean
from heat_core.ops.reductions import sum as sum_
from heat_core.parameters import Rules, check_parameters, rules

__all__ = [
    "BaseEstimator",
    "ClassificationMixin",
    "ClusteringMixin",
    "NotFittedError",
    "RegressionMixin",
    "TransformMixin",
    "check_fitted",
    "clone",
    "is_classifier",
    "is_clusterer",
    "is_estimator",
    "is_regressor",
    "is_transformer",
]

E = TypeVar("E", bound="BaseEstimator")


class NotFittedError(ValueError, AttributeError):
    """An estimator was used before ``fit``."""


class BaseEstimator:
    """An object with parameters, which the constructor stores as they are.

    ``fit`` checks them, and sets attributes that end in an underscore.
    """

    _rules: ClassVar[Rules] = rules()

    def _check_parameters(self) -> None:
        """ValueError, the same on all ranks, for a parameter without meaning."""
        check_parameters(vars(self), self._rules)

    @classmethod
    def _parameter_names(cls) -> list[str]:
        signature = inspect.signature(cls.__init__)
        return sorted(name for name in signature.parameters if name != "self")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; with ``deep`` also those of parameters that are estimators."""
        found = {name: getattr(self, name) for name in self._parameter_names()}
        if deep:
            nested = {k: v for k, v in found.items() if isinstance(v, BaseEstimator)}
            for name, value in nested.items():
                found |= {f"{name}__{k}": v for k, v in value.get_params().items()}
        return found

    def set_params(self: E, **params: Any) -> E:
        """Set parameters; ``name__part=value`` those of a parameter that is an estimator.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        for name, value in params.items():
            own, _, part = name.partition("__")
            if own not in self._parameter_names():
                known = ", ".join(self._parameter_names())
                raise ValueError(f"{type(self).__name__} has no parameter {own!r}, but {known}")
            if part:
                getattr(self, own).set_params(**{part: value})
            else:
                setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks for: its ``Pipeline`` takes these estimators, with DNDarrays."""
        known = import_module("sklearn.utils")
        kinds = {"classifier": is_classifier, "regressor": is_regressor, "clusterer": is_clusterer}
        kind = next((name for name, holds in kinds.items() if holds(self)), None)
        return known.Tags(
            estimator_type=kind,
            target_tags=known.TargetTags(required=kind in ("classifier", "regressor")),
            transformer_tags=known.TransformerTags() if is_transformer(self) else None,
            classifier_tags=known.ClassifierTags() if kind == "classifier" else None,
            regressor_tags=known.RegressorTags() if kind == "regressor" else None,
        )

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = (
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if isinstance(value, DNDarray) or value != defaults[name].default
        )
        return f"{type(self).__name__}({', '.join(changed)})"


class ClusteringMixin:
    """An estimator that groups samples."""

    def fit_predict(self, X: DNDarray, y: DNDarray | None = None) -> DNDarray:
        """Fit, and return the label of each sample. Collective."""
        labels: DNDarray = self.fit(X, y).labels_  # type: ignore[attr-defined]
        return labels


class TransformMixin:
    """An estimator that maps samples to samples."""

    def fit_transform(self, X: DNDarray, y: DNDarray | None = None) -> DNDarray:
        """Fit, and transform the same samples. Collective."""
        transformed: DNDarray = self.fit(X, y).transform(X)  # type: ignore[attr-defined]
        return transformed


class ClassificationMixin:
    """An estimator that tells classes of samples."""

    def fit_predict(self, X: DNDarray, y: DNDarray) -> DNDarray:
        """Fit, and predict for the same samples. Collective."""
        predicted: DNDarray = self.fit(X, y).predict(X)  # type: ignore[attr-defined]
        return predicted

    def score(self, X: DNDarray, y: DNDarray, sample_weight: DNDarray | None = None) -> float:
        """The share of samples whose class is predicted. Collective."""
        hits = self.predict(X) == y  # type: ignore[attr-defined]
        return _mean(hits.astype("float64"), sample_weight)


class RegressionMixin:
    """An estimator that tells numbers of samples."""

    def fit_predict(self, X: DNDarray, y: DNDarray) -> DNDarray:
        """Fit, and predict for the same samples. Collective."""
        predicted: DNDarray = self.fit(X, y).predict(X)  # type: ignore[attr-defined]
        return predicted

    def score(self, X: DNDarray, y: DNDarray, sample_weight: DNDarray | None = None) -> float:
        """The coefficient of determination, 1 for a perfect prediction. Collective."""
        y = y.astype("float64")
        missed = (y - self.predict(X)) ** 2  # type: ignore[attr-defined]
        spread = (y - _mean(y, sample_weight)) ** 2
        return 1.0 - _mean(missed, sample_weight) / _mean(spread, sample_weight)


def _mean(values: DNDarray, weights: DNDarray | None) -> float:
    if weights is None:
        return float(mean(values).item())
    return float(sum_(values * weights).item()) / float(sum_(weights).item())


def check_fitted(estimator: BaseEstimator) -> None:
    """NotFittedError unless ``fit`` has set an attribute."""
    fitted = vars(estimator).keys() - estimator.get_params(deep=False).keys()
    if not any(name.endswith("_") and not name.startswith("_") for name in fitted):
        name = type(estimator).__name__
        raise NotFittedError(f"this {name} is not fitted: call fit first")


def clone(estimator: E) -> E:
    """A new estimator with the same parameters, not fitted."""
    parameters = estimator.get_params(deep=False)
    copies = {k: clone(v) if isinstance(v, BaseEstimator) else v for k, v in parameters.items()}
    return type(estimator)(**copies)


def is_estimator(obj: object) -> bool:
    """Whether an object is an estimator."""
    return isinstance(obj, BaseEstimator)


def is_classifier(obj: object) -> bool:
    """Whether an object is an estimator of classes."""
    return is_estimator(obj) and isinstance(obj, ClassificationMixin)


def is_clusterer(obj: object) -> bool:
    """Whether an object is an estimator of groups."""
    return is_estimator(obj) and isinstance(obj, ClusteringMixin)


def is_regressor(obj: object) -> bool:
    """Whether an object is an estimator of numbers."""
    return is_estimator(obj) and isinstance(obj, RegressionMixin)


def is_transformer(obj: object) -> bool:
    """Whether an object is an estimator that maps samples."""
    return is_estimator(obj) and isinstance(obj, TransformMixin)
