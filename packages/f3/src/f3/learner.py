"""The learner: trains a chain of blocks while the samples are on their way through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from f3.batches import Batch, GradientReducer, StepResult
from f3.blocks import BlockSettings, Tape, TrainedBlock, norms
from f3.building import build_blocks, build_feedback, check_settings, check_source
from f3.criterion import Criterion
from f3.errors import ModeError
from f3.feedback import Feedback
from f3.feedback.initialisers import Initialiser
from f3.kinds import Visit
from f3.optimizers import BlockOptimizer, OptimizerFactory
from f3.partition import Sequential, device_of, wrap
from f3.signals import Signal
from f3.sources import ErrorSource, ZeroError

if TYPE_CHECKING:
    from f3.training import History

__all__ = ["Learner"]

FeedbackLike = Feedback | str | Initialiser | Tensor


class Learner:
    """Trains a model by local gradients, block by block.

    Parameters
    ----------
    model : f3.Sequential or nn.Sequential
        The latter is cut into blocks by `wrap`.
    loss : nn.Module or function
        A loss of torch with its reduction, or a function with an argument ``reduction``.
    error : ErrorSource, optional
        `DelayedError` (F3), `CurrentError` (DFA) or `TargetError` (DRTP); needed in the modes
        "in_forward" and "deferred".
    feedback : str, Feedback, Tensor or function, or a list of these
        For all hidden blocks, or one for each.
    optimizer : function, or dict of two
        Makes a torch optimiser from a list of parameters, called once a block; a dict has the keys
        "hidden" and "head". Not needed where ``model(x, target=t, index=ids)`` is used.
    mode : {"in_forward", "deferred", "bp", "shallow"}
        Blocks update on the way; gradients on the way, and updates at the end; backpropagation; the
        head only.
    tap : {"auto", "output", "layer_norm"}, or a list
        Where errors enter a block: at its output, or at a layer norm of it (which is not handed
        on), so that unbounded outputs can't run away. "auto" takes the latter for blocks whose last
        function adds a residual connection.
    tap_axes : {"all", "last"}
        What that layer norm normalises over.
    gamma : float or list
        Factor of the pseudo-gradients, or one for each hidden block.
    normalize : {None, "fan_out"}
        "fan_out" divides them by the square root of the block's number of features.
    scale : {"loss", "sum"}
        "loss" reduces errors over the batch as the loss does; "sum" adds them up.
    lr_scale : list of float, optional
        A factor of the learning rate for each block of the model.
    clip_norm : float, optional
        Largest gradient norm of a block.
    clip_scope : {"block", "global"}
        "global" clips over all blocks, which only mode "bp" can.
    accumulate : int
        Batches whose mean gradient makes an update.
    amp : torch.dtype, optional
        bfloat16 or float16: run blocks under autocast; float16 with a loss scale for each block.
    strict : bool
        Whether feedback that can't work is an error, or a warning.
    detect_anomaly : bool
        Raise when the loss is not finite.
    fuse : bool
        Train dense blocks without autograd.
    seed : int
        Of feedback and noise. Results depend on nothing else.

    Attributes
    ----------
    blocks : list of TrainedBlock
        The last one is the head.
    epoch, batch, steps : int
        Epochs done, batches done of the current one, batches in all.
    """

    is_built = False

    def __init__(
        self,
        model: nn.Module,
        *,
        loss: Any,
        error: ErrorSource | None = None,
        feedback: FeedbackLike | Sequence[FeedbackLike] = "trinomial",
        optimizer: OptimizerFactory | Mapping[str, OptimizerFactory] | None = None,
        mode: str = "in_forward",
        tap: str | Sequence[str] = "auto",
        tap_axes: str = "all",
        gamma: float | Sequence[float] = 1.0,
        normalize: str | None = None,
        scale: str = "loss",
        lr_scale: Sequence[float] | None = None,
        clip_norm: float | None = None,
        clip_scope: str = "block",
        accumulate: int = 1,
        amp: torch.dtype | None = None,
        strict: bool = True,
        detect_anomaly: bool = False,
        fuse: bool = True,
        seed: int = 0,
    ) -> None:
        check_settings(mode, scale, normalize, tap_axes, clip_scope, accumulate, amp)
        check_source(mode, error)
        self.model = model if isinstance(model, Sequential) else wrap(model)
        self.criterion = Criterion(loss)
        self.source: ErrorSource = ZeroError() if error is None or mode == "shallow" else error
        self.mode, self.feedback, self.strict = mode, feedback, strict
        self.tap, self.tap_axes, self.gamma, self.normalize = tap, tap_axes, gamma, normalize
        self.scale, self.accumulate = scale, accumulate
        self.clip_norm, self.clip_scope = clip_norm, clip_scope
        self.detect_anomaly, self.seed = detect_anomaly, seed
        self.reducer: GradientReducer | None = None
        self.together: Callable[[], AbstractContextManager[None]] = nullcontext
        self.scheduler: Any = None
        self.epoch = self.batch = self.steps = 0
        device_type = device_of(self.model).type
        settings = BlockSettings(
            seed, clip_norm if clip_scope == "block" else None, amp, device_type, fuse
        )
        self._make = partial(build_blocks, self.model, settings, optimizer, lr_scale)
        self.blocks: list[TrainedBlock] = []
        self._optimizer: BlockOptimizer | None = None
        if not any(isinstance(p, nn.UninitializedParameter) for p in self.model.parameters()):
            self._make_blocks()
        if mode == "deferred":
            self.model.learner = self

    def _make_blocks(self) -> None:
        self.blocks = self._make()
        optimizers = [b.optimizer for b in self.blocks if b.optimizer is not None]
        self._optimizer = BlockOptimizer(optimizers) if optimizers else None

    def __repr__(self) -> str:
        return f"Learner({self.mode}, {type(self.source).__name__}, {len(self.blocks)} blocks)"

    @property
    def hidden(self) -> list[TrainedBlock]:
        """All blocks below the head."""
        return self.blocks[:-1]

    @property
    def head(self) -> TrainedBlock:
        """The last block with parameters, and what follows it."""
        return self.blocks[-1]

    @property
    def has_optimizer(self) -> bool:
        """Whether there are optimisers."""
        return self._optimizer is not None

    @property
    def optimizer(self) -> BlockOptimizer:
        """The optimisers of all blocks as one, for schedulers of torch."""
        if self._optimizer is None:
            raise ModeError(
                "there are no optimisers yet: give optimizer=, and build(x) lazy layers"
            )
        return self._optimizer

    def build(self, x: Tensor) -> None:
        """Find shapes and draw the feedback; the first step does it by itself.

        Parameters
        ----------
        x : Tensor, (n, *)
            A batch of inputs, of which two samples are used.
        """
        if self.is_built:
            return
        if not self.blocks:
            with torch.no_grad():
                nn.Sequential(*self.model)(x[:2])  # gives lazy layers their shapes
            self._make_blocks()
        self.output_shape = build_feedback(self, x)
        self.positions, self.n_outputs = self.criterion.layout(self.output_shape)
        self.is_built = True

    # ------------------------------------------------------------------ training

    def check(self, x: Tensor, target: Tensor, index: Any = None) -> Batch:
        """A batch that the model can be trained with, or an error that says what is wrong."""
        self.build(x)
        if not len(x):
            raise ValueError("the batch has no samples")
        dtype = next(p.dtype for p in self.head.module.parameters() if p.is_floating_point())
        targets = self.criterion.targets(target, (len(x), *self.output_shape), dtype)
        ids = self.source.check(index, targets)
        denominator = self.criterion.denominator(targets) * self.accumulate
        return Batch(x, targets, ids, denominator)

    def step(self, x: Tensor, target: Tensor, index: Any = None) -> StepResult:
        """Train with one batch.

        Parameters
        ----------
        x : Tensor, (n, *)
        target : Tensor
            Class ids, (n,), or floats shaped like the output.
        index : Tensor, (n,)
            Ids of the samples, which delayed errors need: integers from 0 to the number of samples
            less one, or keys of a `HashStore`.

        Raises
        ------
        ValueError, IndexError, TypeError
            If targets or ids don't fit; nothing was trained then.
        """
        with self.together():
            batch = self.check(x, target, index)
        return self.train_batch(batch)

    def train_batch(self, batch: Batch) -> StepResult:
        """Train with a checked batch."""
        if self._optimizer is None:
            raise ModeError(
                "step() needs optimizer=, a function such as lambda p: torch.optim.Adam(p)"
            )
        self.model.train()
        for block in self.blocks:
            block.prepare()
        result = self._backpropagate(batch) if self.mode == "bp" else self._train_locally(batch)
        if self.detect_anomaly and not bool(torch.isfinite(result.loss)):
            raise FloatingPointError(f"the loss is {float(result.loss)}; {norms(self.blocks)}")
        self.steps += 1
        self.batch += 1
        return result

    def _train_locally(self, batch: Batch) -> StepResult:
        early = self.source.is_early
        signal = self.source.read(batch.index, batch.targets) if early else None
        factor = self.factor(batch)
        h, tapes = batch.x, []
        for block in self.hidden:
            learn = block.projection is not None and (signal is not None or not early)
            h, tape = block.forward(h, self.steps, learn=learn)
            if tape is not None and signal is not None:
                self._learn(block, tape, signal.scaled(factor), batch)
            elif tape is not None:
                tapes.append((block, tape))
            del tape  # frees the activations of the block
        output, head_tape = self.head.forward(h, self.steps)
        del h
        visit, loss = self.visit(output, batch)
        if head_tape is not None:
            gradient = (visit.gradient / batch.denominator).reshape(output.shape)
            head_tape(gradient)
            del head_tape, gradient
            self._finish(self.head, batch)
        renewed = self.source.renew(batch.index, signal, visit)
        if renewed is not None and not early:
            renewed = renewed.scaled(factor)
            while tapes:
                block, tape = tapes.pop()
                self._learn(block, tape, renewed, batch)
                del tape
        self._update_rest()
        return StepResult(output, loss)

    def factor(self, batch: Batch) -> float:
        """What the errors are multiplied by."""
        return 1 / (batch.denominator if self.scale == "loss" else self.accumulate)

    def visit(self, output: Tensor, batch: Batch) -> tuple[Visit, Tensor]:
        """What is known after a forward pass, and the loss."""
        flat = output.reshape(-1, self.n_outputs).to(batch.targets.rows.dtype)
        total, gradient = self.criterion.gradient(flat, batch.targets)
        loss = total / (batch.denominator / self.accumulate)
        return Visit(flat, gradient, batch.targets, self.criterion), loss

    def _learn(self, block: TrainedBlock, tape: Tape, signal: Signal, batch: Batch) -> None:
        assert tape is not None
        tape(block.pseudo_gradient(signal, len(batch)))
        self._finish(block, batch)

    def _finish(self, block: TrainedBlock, batch: Batch) -> None:
        """The gradients of a block are there: update it now, or later."""
        if not self._is_update:
            return
        if self.reducer is not None:
            self.reducer.start(block, batch.denominator)
        elif self.mode != "deferred":
            block.update()

    @property
    def _is_update(self) -> bool:
        return (self.steps + 1) % self.accumulate == 0

    def _update_rest(self) -> None:
        """Update what was not updated on the way, and tell schedulers that a step was made."""
        if self._is_update:
            for block in self.blocks:
                if block.optimizer is None or not any(p.grad is not None for p in block.parameters):
                    continue
                if self.reducer is not None:
                    self.reducer.finish(block)
                block.update()
            self.optimizer.made_step()

    def _backpropagate(self, batch: Batch) -> StepResult:
        h = batch.x
        for block in self.blocks:
            h = block.run(h, self.steps)
        flat = h.reshape(-1, self.n_outputs).to(batch.targets.rows.dtype)
        total = self.criterion.elements(flat, batch.targets).sum()
        (total / batch.denominator).backward()
        if self._is_update:
            if self.clip_norm is not None and self.clip_scope == "global":
                nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
            for block in self.blocks:
                if self.reducer is not None and block.is_trained:
                    self.reducer.start(block, batch.denominator)
        self._update_rest()
        return StepResult(h.detach(), total.detach() / (batch.denominator / self.accumulate))

    def forward(self, x: Tensor, target: Tensor, index: Any = None) -> Tensor:
        """The output, differentiable down to the head; hidden gradients are added up on the way.

        What ``model(x, target=t, index=ids)`` calls in mode "deferred". After ``loss.backward()``
        all parameters have gradients, for one ordinary optimiser.
        """
        batch = self.check(x, target, index)
        if not self.source.is_early:
            raise ModeError("the current error is not known in the forward pass: use step()")
        signal = self.source.read(batch.index, batch.targets)
        factor = self.factor(batch)
        h = batch.x
        for block in self.hidden:
            block.prepare()
            learn = block.projection is not None and signal is not None
            h, tape = block.forward(h, self.steps, learn=learn)
            if tape is not None and signal is not None:
                tape(block.pseudo_gradient(signal.scaled(factor), len(batch)))
        output = self.head.run(h, self.steps)
        self.source.renew(batch.index, signal, self.visit(output.detach(), batch)[0])
        self.steps += 1
        return output

    # ------------------------------------------------------------------ use

    def fit(self, train: Any, epochs: int, **settings: Any) -> History:
        """Train for some epochs; see `f3.training.fit` for all settings.

        Parameters
        ----------
        train : iterable of (index, x, target), or DataLoader
            A loader without ids goes through `indexed`.
        epochs : int
            The number of epochs in all, those already done included.
        **settings
            ``validation``, ``metrics``, ``callbacks``, ``patience``, ``checkpoint``, ...
        """
        from f3.training import fit

        return fit(self, train, epochs, **settings)

    def evaluate(self, loader: Any, metrics: Any = None) -> dict[str, float]:
        """Loss and metrics on batches (x, target) or (index, x, target); see `f3.training`."""
        from f3.training import evaluate

        return evaluate(self, loader, metrics)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on bit for bit; see `f3.checkpoint`."""
        from f3.checkpoint import state_of

        return state_of(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of `state_dict`, of any number of processes."""
        from f3.checkpoint import restore

        restore(self, state)

    def predict(self, x: Tensor) -> Tensor:
        """The output of the model in evaluation, without gradients."""
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad():
            output: Tensor = self.model(x)
        self.model.train(was_training)
        return output
