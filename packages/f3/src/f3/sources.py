"""Where the error information of a batch comes from: the algorithms of the family."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from f3.criterion import Targets
from f3.errors import ModeError
from f3.kinds import KINDS, Visit, fresh_error
from f3.signals import Signal
from f3.stores import DenseStore, ErrorStore, ScalarStore

__all__ = ["CurrentError", "DelayedError", "ErrorSource", "TargetError", "ZeroError"]


class ErrorSource(ABC):
    """Gives the hidden blocks their error information.

    Attributes
    ----------
    is_early : bool
        Whether it is known before the batch enters the network.
    needs_index : bool
        Whether samples must have ids.
    one_hot : bool
        Whether only the entry of the true class counts, so that all errors have one sign.
    """

    is_early = True
    needs_index = False
    one_hot = False
    kind = ""

    def bind(self, n_outputs: int, positions: int) -> None:
        """Get ready for a model with so many outputs at so many positions of a sample."""
        self.n_outputs, self.positions = n_outputs, positions

    def check(self, index: Any, targets: Targets) -> Any:  # noqa: ARG002
        """The ids of a batch in the form that `read` takes, or an error about them."""
        return None

    @abstractmethod
    def read(self, index: Any, targets: Targets) -> Signal | None:
        """The signal before the forward pass; None if the hidden blocks are not trained."""

    def renew(self, index: Any, signal: Signal | None, visit: Visit) -> Signal | None:  # noqa: ARG002
        """Take note of what came out of the batch; what the next visit will read, if anything."""
        return None

    def _fresh(self, visit: Visit) -> Signal:
        error = fresh_error(self.kind, visit)
        if not self.one_hot:
            return Signal(error)
        classes = visit.targets.ids()
        return Signal(error.gather(1, classes[:, None])[:, 0], classes)

    def state_dict(self) -> dict[str, Any]:
        """What the next epoch needs to know."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 - most have no state
        """Go on from a state."""


def _check_kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"there is no kind of error {kind!r}; choose from {', '.join(KINDS)}")
    return kind


class ZeroError(ErrorSource):
    """No error information: hidden blocks stay as they are, only the head is trained."""

    def read(self, index: Any, targets: Targets) -> None:  # noqa: ARG002
        """Nothing."""
        return


class TargetError(ErrorSource):
    """The negative targets: direct random target projection (DRTP), without any error."""

    one_hot = True

    def read(self, index: Any, targets: Targets) -> Signal:  # noqa: ARG002
        """The error of an output of zero."""
        if targets.classes is None:
            return Signal(-targets.rows)
        return Signal(-targets.rows.sum(1), targets.classes)


class CurrentError(ErrorSource):
    """The error of this forward pass: direct feedback alignment (DFA).

    Hidden blocks wait for the output, so that their activations are kept until then; weights are
    still not transported, and the blocks are still independent of each other.

    Parameters
    ----------
    kind : {"logit", "error", "loss", "softmax_error", "softmax_loss"}
        As in `DelayedError`.
    one_hot : bool
    """

    is_early = False

    def __init__(self, kind: str = "logit", *, one_hot: bool = False) -> None:
        self.kind, self.one_hot = _check_kind(kind), one_hot

    def read(self, index: Any, targets: Targets) -> Signal | None:  # noqa: ARG002
        """Nothing is known before the forward pass."""
        raise ModeError("the current error is known after the forward pass only")

    def renew(self, index: Any, signal: Signal | None, visit: Visit) -> Signal:  # noqa: ARG002
        """The error of the output."""
        return self._fresh(visit)


class DelayedError(ErrorSource):
    """The error of the last visit of the same sample, usually one epoch ago: F3.

    Parameters
    ----------
    num_samples : int, optional
        Samples of the training set; needed unless a `store` is given.
    kind : {"logit", "error", "loss", "softmax_error", "softmax_loss"}
        The gradient at the raw output; prediction less target; the gradient at the activated output
        (unbounded for cross entropies); softmax of the output less target; the gradient at the
        softmax of the output. The last two are of use where a sigmoid comes before them.
    one_hot : bool
        Keep the error of the true class only: one number for each sample.
    damping : float
        ``E <- damping * E + (1 - damping) * e``, in [0, 1). 0 is the published method; 0.8 keeps
        full errors from oscillating in networks with three or more hidden blocks.
    init : {"target", "uniform", "forward"}
        Error of a sample that was never seen: that of an output of zero, that of equal
        probabilities, or that of the untrained network (`Learner.fit` computes it beforehand).
    store : ErrorStore, optional
        Default: a `DenseStore`, or a `ScalarStore` for `one_hot`.

    Attributes
    ----------
    staleness : Staleness
        How far the errors that were used have been from those found, since the last reset.
    """

    needs_index = True

    def __init__(
        self,
        num_samples: int | None = None,
        kind: str = "logit",
        *,
        one_hot: bool = False,
        damping: float = 0.0,
        init: str = "target",
        store: ErrorStore | None = None,
    ) -> None:
        if not 0 <= damping < 1:
            raise ValueError(f"damping must be in [0, 1), not {damping}")
        if init not in {"target", "uniform", "forward"}:
            raise ValueError(f"init must be target, uniform or forward, not {init!r}")
        if (num_samples is None) == (store is None):
            raise ValueError("give either num_samples or a store")
        self.kind, self.one_hot = _check_kind(kind), one_hot
        self.damping, self.init = damping, init
        self._num_samples, self._store = num_samples, store
        self._pending: dict[str, Any] | None = None
        self.staleness = Staleness()

    @property
    def store(self) -> ErrorStore:
        """The store; made when the number of outputs is known."""
        if self._store is None:
            raise RuntimeError("the store is made when the learner sees its first batch")
        return self._store

    @store.setter
    def store(self, store: ErrorStore) -> None:
        self._store = store

    @property
    def has_store(self) -> bool:
        """Whether the store is there already."""
        return self._store is not None

    def bind(self, n_outputs: int, positions: int) -> None:
        """Make the store, or check that its rows fit."""
        super().bind(n_outputs, positions)
        if self._store is None:
            assert self._num_samples is not None
            self._store = (
                ScalarStore(self._num_samples, positions=positions)
                if self.one_hot
                else DenseStore(self._num_samples, n_outputs, positions=positions)
            )
        wanted = math.prod(self._store.row)
        if wanted != positions * (1 if self.one_hot else n_outputs):
            what = "one number" if self.one_hot else f"{n_outputs} outputs"
            raise ValueError(
                f"a store with rows of {self._store.row} does not fit {what} at {positions} "
                "positions"
            )
        if self._pending is not None:
            self.store.load_state_dict(self._pending)
            self._pending = None

    def check(self, index: Any, targets: Targets) -> Any:
        """Ids of the samples, one each."""
        if index is None:
            raise ValueError(
                "delayed errors need the ids of the samples: step(x, target, index), with batches "
                "from f3.indexed(loader), which yields (index, x, target)"
            )
        if self.one_hot:
            targets.ids()
        return self.store.check(index, len(targets) // self.positions)

    def initial(self, targets: Targets) -> Tensor:
        """The error of a sample that was never seen, (m, C) or, for one-hot kinds, (m,)."""
        start = -targets.rows
        if self.init == "uniform":
            start = start + 1 / self.n_outputs
            if targets.ignored is not None:
                start[targets.ignored] = 0
        if not self.one_hot:
            return start
        return start.gather(1, targets.ids()[:, None])[:, 0]

    def read(self, index: Any, targets: Targets) -> Signal:
        """The stored errors, or the initial ones of samples that come for the first time."""
        rows, seen = self.store.read(index)
        initial = self.initial(targets)
        rows = rows.reshape(initial.shape).to(initial)
        seen = seen.to(initial.device)
        if self.positions > 1:
            seen = seen.repeat_interleave(self.positions)
        values = torch.where(seen if self.one_hot else seen[:, None], rows, initial)
        return Signal(values, targets.ids() if self.one_hot else None)

    def renew(self, index: Any, signal: Signal | None, visit: Visit) -> Signal:
        """Keep the error of this visit for the next one."""
        assert signal is not None
        fresh = self._fresh(visit)
        self.staleness.add(signal.values, fresh.values)
        if self.damping:
            values = self.damping * signal.values + (1 - self.damping) * fresh.values
            fresh = Signal(values, fresh.classes)
        self.write(index, fresh.values)
        return fresh

    def write(self, index: Any, values: Tensor) -> None:
        """Store the values of a signal."""
        n = len(values) // self.positions
        self.store.write(index, values.reshape(n, *self.store.row))

    def state_dict(self) -> dict[str, Any]:
        """The store and the staleness so far."""
        return {"store": self.store.state_dict(), "staleness": self.staleness.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; its store may be made later."""
        self.staleness.load_state_dict(state["staleness"])
        if self._store is None:
            self._pending = state["store"]
        else:
            self.store.load_state_dict(state["store"])


class Staleness:
    """How far stored errors E are from the errors e that were found, over all visits since reset.

    An early warning: the distance grows, and the cosine falls, when delayed feedback oscillates.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all visits."""
        self._sums = torch.zeros(4, dtype=torch.float64)

    def add(self, used: Tensor, found: Tensor) -> None:
        """Take note of a batch."""
        used, found = used.flatten(), found.flatten()
        difference = used - found
        sums = [difference @ difference, found @ found, used @ used, used @ found]
        self._sums += torch.stack(sums).to(self._sums)

    @property
    def distance(self) -> float:
        """The norm of E - e over the norm of e."""
        return math.sqrt(float(self._sums[0]) / max(float(self._sums[1]), 1e-300))

    @property
    def cosine(self) -> float:
        """The cosine of the angle between E and e, as vectors of all errors."""
        norms = math.sqrt(float(self._sums[1]) * float(self._sums[2]))
        return float(self._sums[3]) / max(norms, 1e-300)

    def state_dict(self) -> dict[str, Any]:
        """The sums."""
        return {"sums": self._sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._sums = state["sums"]
