"""Principal components of samples that come in parts.

D. Ross, J. Lim, R. Lin, M. Yang: Incremental learning for robust visual tracking, Int. J. Computer
Vision 77 (2008), section 3.
"""

from __future__ import annotations

import math
from os import PathLike

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import replicated
from heat_core.decomposition.projection import Projection
from heat_core.decomposition.scatter import mean_and_energy
from heat_core.linalg.qr import qr
from heat_core.parameters import one_of, rules, whole
from heat_core.samples import Samples, check_features
from heat_core.utils.data.windows import hdf5_shape, hdf5_windows

__all__ = ["IncrementalPCA"]


class IncrementalPCA(Projection):
    """Principal components that are updated by parts of the samples, one after the other.

    A part is read twice, and the ranks exchange its small triangular factor; nothing of it is kept.

    Parameters
    ----------
    n_components : int or None
        None: as many as the first part allows, min(n, d).
    copy : bool
        Has no effect: samples are never overwritten.
    whiten : bool
        Whether ``transform`` scales the coordinates to variance 1.
    batch_size : int, optional
        Samples in a part for ``fit``; default: five times the number of features.

    Attributes
    ----------
    n_samples_seen_ : int
    """

    n_samples_seen_: int
    _mean_: torch.Tensor
    _squares_: torch.Tensor
    _total_: float
    _rules = rules(n_components=one_of(None) | whole(1), batch_size=one_of(None) | whole(1))

    def __init__(
        self,
        n_components: int | None = None,
        copy: bool = True,
        whiten: bool = False,
        batch_size: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.copy = copy
        self.whiten = whiten
        self.batch_size = batch_size

    def fit(
        self,
        X: DNDarray | str | PathLike[str],
        y: object = None,
        dataset: str = "DATA",
    ) -> IncrementalPCA:
        """Find the components, and forget earlier samples. Collective.

        Parameters
        ----------
        X : DNDarray, (n, d), or path
            Samples; or an HDF5 file with a table of them, of which each rank reads its slab of
            one part after the other, so that it may be larger than memory.
        y : int, optional
            Of a file: samples in a part, instead of ``batch_size``.
        dataset : str
            Of a file: the name of the table.
        """
        self._check_parameters()
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        if isinstance(X, (str, PathLike)):
            shape = hdf5_shape(X, dataset)
            size = int(y) if isinstance(y, int) else self._part(shape[-1])
            for _, part in hdf5_windows(X, dataset, size):
                self.partial_fit(part)
            return self
        samples = Samples.of(X)
        rows = samples.array(samples.local)
        size = self._part(samples.d)
        for start in range(0, samples.n, size):
            self.partial_fit(rows[start : start + size])
        return self

    def partial_fit(self, X: DNDarray, y: DNDarray | None = None) -> IncrementalPCA:
        """Take more samples, (n, d), into account. Collective."""
        del y
        samples = Samples.of(X)
        self._check_parameters()
        known = hasattr(self, "components_")
        if known:
            check_features(samples, self.n_features_in_)
            k = self.n_components_
        else:
            k = min(samples.n, samples.d) if self.n_components is None else self.n_components
        if not 1 <= k <= samples.d or (not known and k > samples.n):
            raise ValueError(f"n_components={k} of {samples.n} samples, {samples.d} features")
        mean, total = mean_and_energy(samples)
        centred = samples.array(samples.local - mean.to(samples.local.dtype))
        rows = replicated(qr(centred, mode="r").R).double()
        n = samples.n
        if known:
            old, old_mean = self.n_samples_seen_, self._mean_
            n += old
            # The distance of the means is one more row (Ross et al., eq. 5).
            jump = math.sqrt(old * samples.n / n) * (old_mean - mean)
            scaled = self._squares_.sqrt().unsqueeze(1) * self.components_.larray.double()
            rows = torch.cat((scaled, rows, jump.unsqueeze(0)))
            mean = (old * old_mean + samples.n * mean) / n
            total += self._total_ + float(jump @ jump)
        _, values, vectors = torch.linalg.svd(rows, full_matrices=False)
        self._mean_, self._total_, self._squares_ = mean, total, values[:k].square()
        self.n_samples_seen_ = n
        self._keep(samples, mean, vectors[:k], self._squares_, total, n)
        return self

    def _part(self, n_features: int) -> int:
        return 5 * n_features if self.batch_size is None else self.batch_size
