"""Many small networks trained at once: runs are one more axis of every matrix product.

Each run has its own weights, feedback, order of samples and learning rate, and the numbers of a
`Learner` with the same ones; only the order of additions may differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from f3.compare.algorithms import ALGORITHMS, Algorithm, mlp
from f3.feedback.initialisers import INITIALISERS
from f3.seeds import FEEDBACK, ORDER, derive

__all__ = ["Run", "Sweep", "SweepResult", "sweep"]


@dataclass(frozen=True)
class Run:
    """One network of a sweep.

    Attributes
    ----------
    algorithm : str
    lr : float
        Of Adam.
    seed : int
        Of weights, feedback and order.
    """

    algorithm: str
    lr: float
    seed: int


@dataclass
class SweepResult:
    """Scores of all runs.

    Attributes
    ----------
    runs : list of Run
    scores : dict of Tensor, (epochs, runs)
        Of each evaluated part of the data, by name: accuracy, or mean squared error.
    cosine, staleness : Tensor, (epochs, runs)
        Cosine of stored and fresh errors, and their distance over the norm of the fresh ones; NaN
        without delayed errors.
    """

    runs: list[Run]
    scores: dict[str, Tensor]
    cosine: Tensor
    staleness: Tensor = field(default_factory=lambda: torch.empty(0))


class Sweep:
    """Networks of equal shape, each of an algorithm with a seed and a learning rate.

    Parameters
    ----------
    runs : sequence of Run
        Sorted by algorithm while they are trained.
    x : Tensor, (n, n_inputs)
    rows : Tensor, (n, C)
        One-hot targets, or targets of a regression.
    depth, width : int
    feedback : str
        An initialiser by name.
    regression : bool
        Squared error of the outputs, instead of binary cross entropy of their sigmoids.

    Attributes
    ----------
    weights, biases : list of Tensor, (runs, in, out) and (runs, 1, out)
    """

    def __init__(
        self,
        runs: Sequence[Run],
        x: Tensor,
        rows: Tensor,
        *,
        depth: int = 1,
        width: int = 100,
        feedback: str = "trinomial",
        regression: bool = False,
    ) -> None:
        names = list(ALGORITHMS)
        self.runs = sorted(runs, key=lambda run: names.index(run.algorithm))
        self.x, self.rows, self.regression = x, rows, regression
        self.n_outputs = rows.shape[1]
        models = []
        for run in self.runs:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(run.seed)
                models.append(mlp(x.shape[1], width, depth, self.n_outputs).state_dict())
        names_of = list(models[0])
        stacked = [torch.stack([m[name] for m in models]).to(x.device) for name in names_of]
        self.weights = [w.transpose(1, 2).contiguous() for w in stacked[::2]]
        self.biases = [b[:, None] for b in stacked[1::2]]
        self.feedback = [self._feedback(feedback, width, block) for block in range(depth)]
        self.groups = self._group([run.algorithm for run in self.runs])
        self.learned_from = next((g[0].stop for g in self.groups if g[1].signal == "bp"), 0)
        delayed = [where for where, algorithm in self.groups if algorithm.signal == "delayed"]
        self.stored = {w.start: (-rows).repeat(w.stop - w.start, 1, 1) for w in delayed}
        lr = torch.tensor([run.lr for run in self.runs], device=x.device)
        self._adam = _Adam([*self.weights, *self.biases], lr.reshape(-1, 1, 1))
        self._sums = torch.zeros(3, len(self.runs), device=x.device)
        self.epochs = 0

    def _feedback(self, init: str, width: int, block: int) -> Tensor:
        drawn = []
        for run in self.runs:
            seed = derive(derive(run.seed, FEEDBACK, block), FEEDBACK, 0)
            generator = torch.Generator().manual_seed(seed)
            drawn.append(INITIALISERS[init](self.n_outputs, width, generator))
        return torch.stack(drawn).to(self.x.device)

    @staticmethod
    def _group(names: list[str]) -> list[tuple[slice, Algorithm]]:
        """Where the runs of each algorithm are."""
        edges = [i for i in range(len(names)) if i == 0 or names[i] != names[i - 1]]
        return [
            (slice(a, b), ALGORITHMS[names[a]])
            for a, b in zip(edges, [*edges[1:], len(names)], strict=True)
        ]

    def epoch(self, batch_size: int) -> None:
        """Train all runs for one epoch."""
        n, runs = len(self.x), len(self.runs)
        orders: dict[int, Tensor] = {}
        for run in self.runs:
            generator = torch.Generator().manual_seed(derive(run.seed, ORDER, self.epochs))
            if run.seed not in orders:
                orders[run.seed] = torch.randperm(n, generator=generator)
        order = torch.stack([orders[run.seed] for run in self.runs]).to(self.x.device)
        self._sums.zero_()
        numbers = torch.arange(runs, device=self.x.device)
        for ids in order.split(batch_size, 1):
            self._step(ids, numbers)
        self.epochs += 1

    def _step(self, ids: Tensor, numbers: Tensor) -> None:
        x, rows = self.x[ids], self.rows[ids]  # (runs, batch, ...)
        hidden = [x]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden.append(torch.baddbmm(bias, hidden[-1], weight).tanh_())
        output = torch.baddbmm(self.biases[-1], hidden[-1], self.weights[-1])
        prediction = output if self.regression else output.sigmoid()
        error = prediction - rows
        error_at_output = 2 * error if self.regression else error
        signal = self._signal(ids, numbers, output, error, rows, error_at_output)
        factor = 1 / (ids.shape[1] * self.n_outputs)
        deltas = [error_at_output * factor]
        p = self.learned_from  # the first runs learn by backpropagation
        back = deltas[0][:p]
        for layer in reversed(range(len(hidden) - 1)):
            delta = torch.bmm(signal * factor, self.feedback[layer])
            if p:
                back = torch.bmm(back, self.weights[layer + 1][:p].transpose(1, 2))
                delta[:p] = back
            delta *= 1 - hidden[layer + 1].square()
            back = delta[:p]
            deltas.insert(0, delta)
        pairs = zip(hidden, deltas, strict=True)
        gradients = [torch.bmm(h.transpose(1, 2), d) for h, d in pairs]
        gradients += [d.sum(1, keepdim=True) for d in deltas]
        self._adam.step(gradients)

    def _signal(
        self,
        ids: Tensor,
        numbers: Tensor,
        output: Tensor,
        error: Tensor,
        rows: Tensor,
        gradient: Tensor,
    ) -> Tensor:
        """What the hidden layers of each run are told, (runs, batch, C)."""
        signal = torch.zeros_like(error)
        for where, algorithm in self.groups:
            if algorithm.signal == "target":
                signal[where] = -rows[where]
                continue
            if algorithm.signal not in {"current", "delayed"}:
                continue
            fresh = self._fresh(algorithm, output[where], error[where], gradient[where])
            if algorithm.one_hot:
                fresh = fresh * rows[where]
            if algorithm.signal == "current":
                signal[where] = fresh
                continue
            table, own = self.stored[where.start], numbers[where, None] - where.start
            used = table[own, ids[where]]
            if algorithm.one_hot:
                used = used * rows[where]
            self._note(where, used, fresh)
            table[own, ids[where]] = algorithm.damping * used + (1 - algorithm.damping) * fresh
            signal[where] = used
        return signal

    def _fresh(
        self, algorithm: Algorithm, output: Tensor, error: Tensor, gradient: Tensor
    ) -> Tensor:
        match algorithm.kind:
            case "error":
                return error
            case "logit":
                return gradient
            case "softmax_error":
                # of the sigmoids, as in the reference experiments
                return output.sigmoid().softmax(-1) - (output.sigmoid() - error)
            case "loss" if not self.regression:
                inside = output.sigmoid().clamp(1e-7, 1 - 1e-7)
                return error / (inside * (1 - inside))
            case _:
                return gradient

    def _note(self, where: slice, used: Tensor, fresh: Tensor) -> None:
        for row, product in zip(
            self._sums, (used * fresh, used * used, fresh * fresh), strict=True
        ):
            row[where] += product.sum((1, 2))

    @property
    def cosine(self) -> Tensor:
        """Of stored and fresh errors in the last epoch, (runs,)."""
        product, used, fresh = self._sums
        cosine: Tensor = product / (used * fresh).sqrt()
        return cosine

    @property
    def staleness(self) -> Tensor:
        """Norm of stored less fresh errors over that of the fresh ones, last epoch, (runs,)."""
        product, used, fresh = self._sums
        squared: Tensor = (used - 2 * product + fresh).clamp_min(0) / fresh
        return squared.sqrt()

    def score(self, x: Tensor, rows: Tensor) -> Tensor:
        """Accuracy of each run, or the mean squared error of a regression, (runs,)."""
        h = x.expand(len(self.runs), *x.shape)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            h = torch.baddbmm(bias, h, weight).tanh_()
        output = torch.baddbmm(self.biases[-1], h, self.weights[-1])
        if self.regression:
            return (output - rows).square().mean((1, 2))
        return (output.argmax(2) == rows.argmax(1)).float().mean(1)


class _Adam:
    """Adam with a learning rate for each run (Kingma and Ba, arXiv 1412.6980, algorithm 1)."""

    def __init__(self, parameters: list[Tensor], lr: Tensor) -> None:
        self.parameters, self.lr, self.steps = parameters, lr, 0
        self.mean = [torch.zeros_like(p) for p in parameters]
        self.square = [torch.zeros_like(p) for p in parameters]

    def step(self, gradients: list[Tensor]) -> None:
        """Update all parameters; those whose gradients have always been zero stay as they are."""
        self.steps += 1
        size = self.lr / (1 - 0.9**self.steps)
        root = math.sqrt(1 - 0.999**self.steps)
        state = zip(self.parameters, gradients, self.mean, self.square, strict=True)
        for parameter, gradient, mean, square in state:
            mean.lerp_(gradient, 0.1)
            square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            parameter.sub_(square.sqrt().div_(root).add_(1e-8).reciprocal_().mul_(mean).mul_(size))


def sweep(
    runs: Sequence[Run],
    x: Tensor,
    rows: Tensor,
    *,
    epochs: int,
    batch_size: int = 50,
    scored: dict[str, tuple[Tensor, Tensor]] | None = None,
    every: int = 1,
    after: Callable[[int, Sweep], None] | None = None,
    depth: int = 1,
    width: int = 100,
    feedback: str = "trinomial",
    regression: bool = False,
) -> SweepResult:
    """Train all runs, and score them.

    Parameters
    ----------
    runs : sequence of Run
    x, rows : Tensor, (n, n_inputs) and (n, C)
        Training data, with one-hot rows for classification.
    epochs, batch_size : int
    scored : dict of (x, rows)
        Parts of the data to score all runs on.
    every : int
        Score after each so many epochs, and after the last.
    after : function, optional
        Called after each scored epoch with its number and the sweep.
    depth, width, feedback, regression
        As in `Sweep`.
    """
    with torch.no_grad():
        many = Sweep(
            runs, x, rows, depth=depth, width=width, feedback=feedback, regression=regression
        )
        scores: dict[str, list[Tensor]] = {name: [] for name in scored or {}}
        cosine, staleness = [], []
        for epoch in range(1, epochs + 1):
            many.epoch(batch_size)
            cosine.append(many.cosine)
            staleness.append(many.staleness)
            if epoch % every and epoch < epochs:
                continue
            for name, part in (scored or {}).items():
                scores[name].append(many.score(*part))
            if after is not None:
                after(epoch, many)
    return SweepResult(
        many.runs,
        {name: torch.stack(values) for name, values in scores.items()},
        torch.stack(cosine),
        torch.stack(staleness),
    )
