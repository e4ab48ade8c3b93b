"""The search space: what is searched, as named values, genes and unit coordinates."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.space.conditions import conditions, evaluation_order
from propulate.space.description import describe, restore
from propulate.space.designs import Design
from propulate.space.limits import parameters_from_limits
from propulate.space.parameters import Constant, Float, Int, Parameter

__all__ = ["SearchSpace"]

Array = NDArray[np.float64]


class SearchSpace:
    """A set of named parameters.

    A point has three forms. *Values*: a dict of what the loss function gets. *Genes*: one float a
    parameter, exact (see `Parameter`). *Unit coordinates*: one float in [0, 1] a parameter,
    logarithmic where the parameter is, with equal bins for discrete values; the operators work on
    these, so that parameters of different magnitude are treated alike. Constants have no gene.

    Parameters
    ----------
    limits : mapping of str to Parameter or tuple
        See `propulate.space.limits.parameters_from_limits`.

    Attributes
    ----------
    parameters : dict of str to Parameter
    names : tuple of str
        Of the parameters that have a gene, in the order of the genes.
    n : int
        Number of genes.
    counts : (n,) int array
        Number of values of each gene; 0 for continuous ones.
    ordered : (n,) bool array
        Whether neighbouring genes are alike: False for categories.

    Examples
    --------
    >>> space = SearchSpace({"lr": Float(1e-4, 1e-1, log=True), "layers": (1, 4)})
    >>> genes = space.encode({"lr": 1e-3, "layers": 2})
    >>> space.decode(genes)
    {'lr': 0.001, 'layers': 2}
    """

    def __init__(self, limits: Mapping[str, Any]) -> None:
        self.limits = dict(limits)
        self.parameters = parameters_from_limits(limits)
        searched = [p for p in self.parameters.items() if not isinstance(p[1], Constant)]
        if not searched:
            raise ValueError("all parameters are constant: there is nothing to search")
        self.names = tuple(name for name, _ in searched)
        self.n = len(self.names)
        self.column = {name: i for i, name in enumerate(self.names)}
        self._genes = [parameter for _, parameter in searched]
        self._conditions = conditions(self.parameters)
        self._conditional = evaluation_order(self._conditions)
        self.counts = np.array([p.n_values or 0 for p in self._genes], np.int64)
        self.ordered = np.array([p.ordered for p in self._genes])
        self._prepare_units()

    def _prepare_units(self) -> None:
        """Columns of u = (t - offset) / width, where t is gene + shift, or its logarithm."""
        rows = [_unit_columns(parameter) for parameter in self._genes]
        self._log = np.array([row[0] for row in rows])
        self._shift, self._offset, self._width, self._half = np.array([row[1:] for row in rows]).T
        self._any_log = bool(self._log.any())
        self._discrete = self.counts > 0
        self._any_discrete = bool(self._discrete.any())
        self._lowest, self._highest = np.array([_gene_bounds(p) for p in self._genes]).T
        # half a bin: what keeps a discrete coordinate off the edge of the box
        self.bins = np.where(self._discrete, 1 / np.maximum(self.counts, 1), 0.0)

    def __len__(self) -> int:
        return len(self.parameters)

    def __iter__(self) -> Any:
        return iter(self.parameters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"SearchSpace({self.parameters})"

    def __reduce__(self) -> tuple[Any, ...]:
        return SearchSpace, (self.limits,)

    @classmethod
    def of(cls, limits: SearchSpace | Mapping[str, Any]) -> SearchSpace:
        """The space itself, or the space of the limits."""
        return limits if isinstance(limits, SearchSpace) else cls(limits)

    # ------------------------------------------------------------------ values and genes

    def encode(self, values: Mapping[str, Any]) -> Array:
        """The genes of values; inactive parameters may be left out.

        Raises
        ------
        ValueError
            For an unknown or missing name, or a value outside its domain.
        """
        unknown = [name for name in values if name not in self.parameters and name[:1] != "_"]
        if unknown:
            raise ValueError(f"unknown parameters {unknown}; the space has {list(self.parameters)}")
        genes = np.empty(self.n)
        missing = []
        for i, (name, parameter) in enumerate(zip(self.names, self._genes, strict=True)):
            if name in values:
                try:
                    genes[i] = parameter.encode(values[name])
                except (ValueError, TypeError) as error:
                    raise ValueError(f"parameter {name!r}: {error}") from error
            else:
                missing.append(name)
                genes[i] = self._lowest[i]
        if missing:
            absent = [name for name in missing if name in self.decode(genes)]
            if absent:
                raise ValueError(f"there is no value for {absent}")
        return genes

    def decode(self, genes: Array) -> dict[str, Any]:
        """The values of the active parameters; `genes` has shape (n,)."""
        parameters = self.parameters
        if len(parameters) == self.n:
            values = {
                name: parameter.decode(gene)
                for (name, parameter), gene in zip(parameters.items(), genes.tolist(), strict=True)
            }
        else:
            column = self.column
            values = {
                name: p.decode(genes[column[name]] if name in column else 0.0)
                for name, p in parameters.items()
            }
        for name in self._conditional:
            for other, test in self._conditions[name]:
                if other not in values or not test(values[other]):
                    del values[name]
                    break
        return values

    @property
    def is_conditional(self) -> bool:
        """Whether some parameters are active only under a condition."""
        return bool(self._conditional)

    def active(self, genes: Array) -> NDArray[np.bool_]:
        """Which parameters are active at points (k, n), same shape."""
        found = {name: np.ones(len(genes), bool) for name in self.parameters}
        for name in self._conditional:  # each after those that it depends on
            for other, test in self._conditions[name]:
                i, decode = self.column.get(other), self.parameters[other].decode
                parent = np.zeros(len(genes)) if i is None else genes[:, i]
                values, place = np.unique(parent, return_inverse=True)
                holds = np.array([bool(test(decode(value))) for value in values.tolist()], bool)
                found[name] &= found[other] & holds[place]
        return np.array([found[name] for name in self.names]).T

    def key(self, genes: Array) -> bytes:
        """Equal for points that the loss function cannot tell apart."""
        if not self._conditional:
            return genes.tobytes()
        return np.where(self.active(genes[None])[0], genes, -1.0).tobytes()

    @functools.cached_property
    def cardinality(self) -> float:
        """Number of points; infinite if a parameter is continuous. Conditions don't count."""
        if not self._discrete.all():
            return math.inf
        return math.prod(int(count) for count in self.counts)

    # ------------------------------------------------------------------ unit coordinates

    def to_unit(self, genes: Array) -> Array:
        """Unit coordinates of genes; shape (..., n) both."""
        t: Array = genes + self._shift
        if self._any_log:
            t[..., self._log] = np.log(t[..., self._log])
        t -= self._offset
        t /= self._width
        return t

    def from_unit(self, unit: Array) -> Array:
        """Genes at unit coordinates, which are clipped to [0, 1]; shape (..., n) both."""
        t = unit * self._width
        t += self._offset
        if self._any_log:
            t[..., self._log] = np.exp(t[..., self._log])
        t -= self._shift
        if self._any_discrete:
            discrete = self._discrete
            t[..., discrete] = np.floor(t[..., discrete] + self._half[discrete])
        clipped: Array = np.minimum(np.maximum(t, self._lowest), self._highest)
        return clipped

    def unit_at(self, gene: float, i: int) -> float:
        """The unit coordinate of one gene, for operators that change few."""
        t = float(gene + self._shift[i])
        return float(((math.log(t) if self._log[i] else t) - self._offset[i]) / self._width[i])

    def gene_at(self, unit: float, i: int) -> float:
        """The gene at one unit coordinate in [0, 1]."""
        t = float(unit * self._width[i] + self._offset[i])
        t = (math.exp(t) if self._log[i] else t) - float(self._shift[i])
        if self._discrete[i]:
            t = math.floor(t + self._half[i])
        return min(max(t, float(self._lowest[i])), float(self._highest[i]))

    def clip(self, genes: Array) -> Array:
        """The nearest legal genes; shape (..., n)."""
        return self.from_unit(self.to_unit(np.clip(genes, self._lowest, self._highest)))

    def sample(self, rng: np.random.Generator) -> Array:
        """Genes of a point drawn uniformly in unit coordinates, shape (n,)."""
        return self.from_unit(rng.random(self.n))

    def design(self, kind: str = "sobol", seed: int = 0) -> Design:
        """An initial design; see `Design`."""
        return Design(self.n, kind, seed, self.counts)

    # ------------------------------------------------------------------ the original's layout

    @functools.cached_property
    def position_columns(self) -> list[tuple[int, int]]:
        """Of each gene, (first column, number of columns) in the one-hot layout."""
        columns, start = [], 0
        for parameter in self._genes:
            width = 1 if parameter.ordered else int(parameter.n_values or 1)
            columns.append((start, width))
            start += width
        return columns

    def to_position(self, genes: Array) -> Array:
        """Raw numbers in the order of the limits, each category as a one-hot block."""
        start, width = self.position_columns[-1]
        position = np.zeros(start + width)
        for parameter, gene, (start, _) in zip(
            self._genes, genes, self.position_columns, strict=True
        ):
            if parameter.ordered:
                position[start] = float(parameter.decode(float(gene)))
            else:
                position[start + int(gene)] = 1.0
        return position

    def from_position(self, position: Any) -> Array:
        """Genes of raw numbers with one-hot blocks; categories by the largest entry of theirs.

        Raises
        ------
        ValueError
            If the length is wrong or a number is outside its domain.
        """
        position = np.asarray(position, float)
        start, width = self.position_columns[-1]
        if position.shape != (start + width,):
            raise ValueError(f"expected {start + width} numbers, got shape {position.shape}")
        genes = np.empty(self.n)
        for i, (name, parameter) in enumerate(zip(self.names, self._genes, strict=True)):
            start, width = self.position_columns[i]
            if parameter.ordered:
                try:
                    genes[i] = parameter.encode(float(position[start]))
                except ValueError as error:
                    raise ValueError(f"parameter {name!r}: {error}") from error
            else:
                genes[i] = float(np.argmax(position[start : start + width]))
        return genes

    # ------------------------------------------------------------------ description

    def to_json(self) -> str:
        """The space as JSON text; see `from_json` for what survives."""
        return json.dumps(describe(self.parameters), sort_keys=False)

    @classmethod
    def from_json(cls, text: str) -> SearchSpace:
        """The space that `to_json` described.

        Choices that JSON cannot hold come back as their ``repr``, and conditions by functions are
        lost; everything else is as it was.
        """
        return cls(restore(json.loads(text)))

    @functools.cached_property
    def hash(self) -> str:
        """SHA-256 of the description, the same in every process."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _gene_bounds(parameter: Parameter) -> tuple[float, float]:
    """The least and the greatest gene."""
    if isinstance(parameter, Float) and parameter.step is None:
        return parameter.lo, parameter.hi
    return 0.0, float(parameter.n_values or 1) - 1


def _unit_columns(parameter: Parameter) -> tuple[bool, float, float, float, float]:
    """(logarithmic, shift, offset, width, what is added before rounding down) of one gene."""
    n = parameter.n_values
    if isinstance(parameter, Int) and parameter.log:
        low, high = math.log(parameter.lo - 0.5), math.log(parameter.hi + 0.5)
        return True, parameter.lo, low, high - low, 0.5
    if n is not None:
        return False, 0.5, 0.0, float(n), 0.5
    assert isinstance(parameter, Float)
    if parameter.log:
        low, high = math.log(parameter.lo), math.log(parameter.hi)
        return True, 0.0, low, high - low, 0.0
    return False, 0.0, parameter.lo, parameter.hi - parameter.lo, 0.0
