"""The default propagator: a portfolio of operators that share a pool and compete for trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.individual import Individual, Status
from propulate.population import Population
from propulate.propagators.base import Context, Propagator, Random
from propulate.propagators.bayesian import BayesianModel
from propulate.propagators.cma import CovarianceAdaptation
from propulate.propagators.differential import SuccessHistory, current_to_best, places
from propulate.propagators.quadratic import lowest, n_terms
from propulate.propagators.vary import Limits, inherit_categories, other_gene, reflect
from propulate.ranking import Ranking
from propulate.space import SearchSpace
from propulate.view import PopulationView

__all__ = ["AdaptivePropagator", "Shares"]

Array = NDArray[np.float64]
_SHARE_GP = 0.8  # of the candidates of Gaussian processes while they are in use
_NEAR = math.log(5e-5), math.log(0.05)  # logarithms of the steps of local search


@dataclass(frozen=True)
class Shares:
    """Guaranteed share of the candidates of each operator; the rest is dealt by success.

    No single operator wins everywhere, and success alone starves the explorers. In many dimensions
    genetic operators need most of the trials; in few, following valleys pays.
    """

    ga: float = 0.65
    cma: float = 0.05
    local: float = 0.03
    de: float = 0.02
    quadratic: float = 0.08

    @classmethod
    def suited(cls, n: int) -> Shares:
        """For a number of ordered genes."""
        return cls(ga=0.35, cma=0.33, local=0.05, quadratic=0.13) if n <= 4 else cls()


class AdaptivePropagator(Propagator):
    """Gaussian processes, genetic operators, covariance adaptation, differential evolution.

    Each new candidate is made by one operator, from the best individuals known. Which one is drawn
    from guaranteed shares and from credit, which an operator earns by candidates that do well.
    While little is known, most candidates are proposed by a Gaussian process.

    Parameters
    ----------
    limits : SearchSpace or mapping
    pop_size : int, optional
        Individuals in the pool; default max(20, twice the workers of the island).
    init_size : int, optional
        Points of the initial design; default the pool's size, at most a fifth of the budget.
    shares : Shares, optional
        Default by the number of parameters.
    n_gp : int, optional
        Evaluations until which Gaussian processes make most candidates, each in some milliseconds;
        default 200 with a budget of up to 500, 100 if the budget is unknown, and otherwise 0.
    crossover_prob, random_init_prob : float
        Of the genetic operator: how often a second parent gives three tenths of the genes, and how
        often it draws a random individual instead.
    resample_prob, further_prob : float
        One gene is mutated, and each time with `further_prob` one more: with `resample_prob` it is
        drawn anew, else moved.
    steps : (float, float)
        Smallest and largest standard deviation of moves, as shares of a range; drawn
        log-uniformly.
    cma_sigma : float
        First standard deviation of covariance adaptation, in unit coordinates.
    forget : float
        Rate at which credit fades.
    rng : source of random numbers, optional
    """

    operators = ("ga", "cma", "local", "de", "quadratic")

    def __init__(
        self,
        limits: Limits,
        pop_size: int | None = None,
        init_size: int | None = None,
        *,
        shares: Shares | None = None,
        n_gp: int | None = None,
        crossover_prob: float = 0.7,
        random_init_prob: float = 0.02,
        resample_prob: float = 0.15,
        further_prob: float = 0.3,
        steps: tuple[float, float] = (1e-3, 0.1),
        cma_sigma: float = 0.2,
        forget: float = 0.03,
        rng: Random = None,
    ) -> None:
        super().__init__(-1, 1, rng)
        if pop_size is not None and pop_size < 4:
            raise ValueError(f"pop_size must be at least 4, got {pop_size}")
        self.space = SearchSpace.of(limits)
        self._pop_size, self._init_size = pop_size, init_size
        self.shares, self._n_gp = shares, n_gp
        self.crossover_prob, self.random_init_prob = crossover_prob, random_init_prob
        self.resample_prob, self.further_prob = resample_prob, further_prob
        self._log_steps = math.log(steps[0]), math.log(steps[1])
        self.cma_sigma, self.forget = cma_sigma, forget
        self.credit = dict.fromkeys(self.operators, 1.0)
        self._ordered = np.flatnonzero(self.space.ordered)
        # a slice where all are ordered: it takes columns without a copy
        self._columns = slice(None) if self.space.ordered.all() else self._ordered
        self._categories = np.flatnonzero(~self.space.ordered)
        self._gp = BayesianModel(self.space)
        self._cma: CovarianceAdaptation | None = None
        self._history = SuccessHistory()
        self._drawn: dict[Any, tuple[float, float, float]] = {}  # of candidates of DE: F, CR, loss
        self._best = math.inf
        self._observed = 0
        self._context: Context | None = None
        self._worker = (0, 0)
        self._configure(None, 1)

    def _configure(self, budget: int | None, workers: int) -> None:
        self.pop_size = self._pop_size or max(20, 2 * workers)
        self.init_size = self._init_size or self.pop_size
        if self._init_size is None and budget is not None:
            self.init_size = min(self.init_size, max(4, budget // 5))
        few = 100 if budget is None else 200 if budget <= 500 else 0
        self.n_gp = few if self._n_gp is None else self._n_gp
        shares = self.shares or Shares.suited(len(self._ordered))
        table = {name: getattr(shares, name) for name in self.operators}
        if not len(self._ordered):
            table["ga"] += table["cma"] + table["local"] + table["quadratic"]
            table["cma"] = table["local"] = table["quadratic"] = 0.0
        self._share = {name: share for name, share in table.items() if share > 0}

    def bind(self, context: Context) -> None:
        """Take budget and number of workers into account."""
        super().bind(context)
        self._context = context
        self._worker = context.island, context.worker
        self._configure(context.budget, context.island_size)

    # ------------------------------------------------------------------ breeding

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The next candidate."""
        if not isinstance(inds, PopulationView):
            inds = PopulationView.of(inds, self.space)
        if inds.n_breeding < max(4, min(self.init_size, self.pop_size)):
            return Individual.from_genes(
                self.space, self.space.sample(self.generator), operator="init"
            )
        name = self._draw()
        rows = inds.best_rows(self.pop_size)
        child: Individual = getattr(self, f"_make_{name}")(inds, rows)
        child.operator = name
        return child

    def _draw(self) -> str:
        """An operator, by guaranteed share and credit."""
        if self._observed < self.n_gp and self.generator.random() < _SHARE_GP:
            return "gp"
        shares, credit = self._share, self.credit
        rest = 1 - sum(shares.values())
        factor = rest / sum(credit[name] for name in shares)
        place = self.generator.random()
        for name, share in shares.items():
            place -= share + factor * credit[name]
            if place < 0:
                break
        return name

    def _parent(self, view: PopulationView, rows: Any, bias: float = 1.0) -> Array:
        """Genes of a member of the pool; better ones are likelier if `bias` exceeds 1."""
        row = rows[int(len(rows) * self.generator.random() ** bias)]
        genes: Array = view.population.genes[row]
        return genes

    def _cross(self, view: PopulationView, rows: Any) -> Array:
        first = self._parent(view, rows, 1.5)
        if self.generator.random() < self.crossover_prob:
            second = self._parent(view, rows)
            return np.where(self.generator.random(self.space.n) < 0.7, first, second)
        return first.copy()

    def _make_ga(self, view: PopulationView, rows: Any) -> Individual:
        rng, space = self.generator, self.space
        if rng.random() < self.random_init_prob:
            return Individual.from_genes(space, space.sample(rng))
        genes = self._cross(view, rows)
        while True:
            i = int(rng.random() * space.n)
            if not space.ordered[i] or rng.random() < self.resample_prob:
                genes[i] = other_gene(space, genes[i], i, rng)
            else:
                self._move(genes, i, self._log_steps)
            if rng.random() >= self.further_prob:
                return Individual.from_genes(space, genes)

    def _make_local(self, view: PopulationView, rows: Any) -> Individual:
        genes = self._cross(view, rows)
        i = int(self._ordered[int(self.generator.random() * len(self._ordered))])
        self._move(genes, i, _NEAR)
        return Individual.from_genes(self.space, genes)

    def _move(self, genes: Array, i: int, log_steps: tuple[float, float]) -> None:
        """A normal step of one ordered gene, of a standard deviation that is drawn log-uniformly.

        Discrete genes move by at least one value.
        """
        rng, space = self.generator, self.space
        low, high = log_steps
        step = math.exp(low + (high - low) * rng.random()) * rng.standard_normal()
        if space.counts[i]:
            step = math.copysign(max(abs(step), space.bins[i]), step)
        genes[i] = space.gene_at(reflect(space.unit_at(genes[i], i) + step), i)

    def _make_cma(self, view: PopulationView, rows: Any) -> Individual:
        cma = self._model(view, rows)
        unit = np.full(self.space.n, 0.5)
        unit[self._ordered] = reflect(cma.ask(self.generator))
        return self._with_categories(unit, view, rows)

    def _model(self, view: PopulationView, rows: Any) -> CovarianceAdaptation:
        if self._cma is None:
            best = self.space.to_unit(view.population.genes[rows[0]])[self._ordered]
            bins = self.space.bins[self._ordered]
            n = len(self._ordered)
            self._cma = CovarianceAdaptation(n, best, self.cma_sigma, bins=bins)
        elif self._cma.has_converged:
            old = self._cma
            size = min(2 * old.size, 400)
            mean = self.generator.random(old.n)
            bins = self.space.bins[self._ordered]
            self._cma = CovarianceAdaptation(old.n, mean, self.cma_sigma, size, bins=bins)
        return self._cma

    def _with_categories(self, unit: Array, view: PopulationView, rows: Any) -> Individual:
        genes = self.space.from_unit(unit)
        if len(self._categories):
            parent = self._parent(view, rows)
            genes = inherit_categories(self.space, genes, parent, self.generator)
        return Individual.from_genes(self.space, genes)

    def _make_de(self, view: PopulationView, rows: Any) -> Individual:
        f, cr = self._history.draw(self.generator)
        chosen = rows[list(places(len(rows), self.generator))]
        points = self.space.to_unit(view.population.genes[chosen])
        unit = current_to_best(points, f, cr, self.generator)
        child = self._with_categories(unit, view, rows)
        loss = float(view.population.losses[chosen[0]].sum())
        self._drawn[child.genes.tobytes()] = f, cr, loss
        return child

    def _make_quadratic(self, view: PopulationView, rows: Any) -> Individual:
        columns, rng = self._columns, self.generator
        fewest = 2 * n_terms(len(self._ordered))
        if view.n_breeding < fewest:
            return self._make_local(view, rows)
        most = min(view.n_breeding, 4 * fewest)
        m = int(fewest * (most / fewest) ** rng.random())  # from local to global
        unit, losses = view.arrays(m)
        proposed = np.full(self.space.n, 0.5)
        proposed[columns] = reflect(lowest(unit[:, columns], losses, rng))
        return self._with_categories(proposed, view, rows)

    def _make_gp(self, view: PopulationView, rows: Any) -> Individual:  # noqa: ARG002
        return Individual.from_genes(self.space, self._gp.from_view(view, self.generator))

    # ------------------------------------------------------------------ learning

    def observe(self, individual: Individual) -> None:
        """Credit the operator, and let the models learn."""
        if individual.status != Status.COMPLETE or not math.isfinite(individual.loss):
            return
        self._observed += 1
        loss, name = individual.loss, individual.operator
        improves = loss < self._best
        if name in self.credit:
            own = (individual.uid.island, individual.uid.worker) == self._worker
            self._reward(individual, improves=improves, weight=1.0 if own else 0.5)
        if self._cma is not None and (name == "cma" or improves):
            self._cma.tell(individual.unit[self._ordered], loss)
        if name == "de":
            drawn = self._drawn.pop(individual.genes.tobytes(), None)
            if drawn is not None and loss <= drawn[2]:
                self._history.success(drawn[0], drawn[1], drawn[2] - loss)
        self._best = min(self._best, loss)

    def catch_up(self, population: Population, first: int) -> None:
        """Learn of many individuals; credit has faded after the last 1,000."""
        last = max(first, len(population) - 1000)
        losses = population.losses[first:last].sum(axis=1)
        complete = population.column("status")[first:last] == Status.COMPLETE
        usable = losses[complete & np.isfinite(losses)]
        self._observed += len(usable)
        self._best = min(self._best, float(usable.min(initial=math.inf)))
        super().catch_up(population, last)

    def _reward(self, individual: Individual, *, improves: bool, weight: float) -> None:
        score = self._rank(individual.loss) + float(improves)
        rate = self.forget * weight
        credit = self.credit[individual.operator]
        self.credit[individual.operator] = (1 - rate) * credit + 3 * rate * score

    def _rank(self, loss: float) -> float:
        """1 for the best of the pool, falling to 0 for its last and for outsiders."""
        if self.ranking is None:
            return float(loss < self._best)
        position: int = self.ranking.position(loss, self.pop_size + 1)
        return max(0.0, 1 - position / (self.pop_size + 1))

    ranking: Ranking | None = None  # the population's, set by the engine

    def state_dict(self) -> dict[str, Any]:
        """Credits, models and memories."""
        return {
            "credit": self.credit,
            "best": self._best,
            "cma": None if self._cma is None else self._cma.state_dict(),
            "de": self._history.state_dict(),
            "gp": self._gp.hyper.logs.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up credits, models and memories."""
        self.credit, self._best = dict(state["credit"]), state["best"]
        self._history.load_state_dict(state["de"])
        self._gp.hyper.logs = np.array(state["gp"])
        if state["cma"] is not None:
            n = len(self._ordered)
            bins = self.space.bins[self._ordered]
            self._cma = CovarianceAdaptation(n, np.zeros(n), 1.0, bins=bins)
            self._cma.load_state_dict(state["cma"])
