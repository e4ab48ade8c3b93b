"""Scale each sample to norm 1."""

from __future__ import annotations

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.estimators import BaseEstimator, TransformMixin
from heat_core.parameters import one_of, rules
from heat_core.samples import Samples

__all__ = ["Normalizer"]

_ORDERS = {"l1": 1.0, "l2": 2.0, "max": torch.inf}


class Normalizer(TransformMixin, BaseEstimator):
    """Divides each sample by its norm; there is nothing to learn.

    Parameters
    ----------
    norm : {"l2", "l1", "max"}
    copy : bool
        False: ``transform`` writes to the samples themselves if they are floating-point numbers.
    """

    _rules = rules(norm=one_of(*_ORDERS))

    def __init__(self, norm: str = "l2", *, copy: bool = True) -> None:
        self.norm = norm
        self.copy = copy

    def fit(self, X: DNDarray, y: DNDarray | None = None) -> Normalizer:
        """Check parameters and samples. Local unless ``X`` is split along axis 1."""
        del y
        self._check_parameters()
        self.n_features_in_ = Samples.of(X).d
        return self

    def transform(self, X: DNDarray) -> DNDarray:
        """The samples divided by their norms, (n, d). Local unless ``X`` is split along axis 1."""
        samples = Samples.of(X, least=0)
        norms = torch.linalg.vector_norm(samples.local, _ORDERS[self.norm], dim=1, keepdim=True)
        norms[norms == 0] = 1
        out = None if self.copy else samples.local
        return samples.array(torch.div(samples.local, norms, out=out))
