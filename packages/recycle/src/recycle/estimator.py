"""Parameters by name, as scikit-learn has them."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np

__all__ = ["Estimator"]


class Estimator:
    """Stores the parameters of ``__init__`` under their names."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """The parameters, as given."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change parameters; takes effect with the next `fit`."""
        unknown = set(params) - set(self.get_params())
        if unknown:
            raise ValueError(f"{sorted(unknown)} are no parameters of {type(self).__name__}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        default = inspect.signature(type(self)).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not default[name].default
            and not (np.isscalar(value) and value == default[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"
