"""One block in training: forward, local gradient, update."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from f3.feedback import Projection
from f3.fused import FusedDense, fuse
from f3.seeds import NOISE, derive
from f3.signals import Signal

__all__ = ["BlockSettings", "Tape", "TrainedBlock", "norms"]

#: h handed on, and how to add the gradients of the block's parameters for a gradient at the output
Backward = Callable[[Tensor], None]
Tape = Backward | None


@dataclass(frozen=True)
class BlockSettings:
    """What is the same for all blocks.

    Attributes
    ----------
    seed : int
        Of the noise in the blocks.
    clip_norm : float or None
        The largest norm of a block's gradient.
    amp : torch.dtype or None
        Of automatic mixed precision.
    device_type : str
        Of autocast.
    fuse : bool
        Whether dense blocks may go without autograd.
    """

    seed: int = 0
    clip_norm: float | None = None
    amp: torch.dtype | None = None
    device_type: str = "cpu"
    fuse: bool = True


class TrainedBlock:
    """A block with its feedback and its optimiser.

    Parameters
    ----------
    module : nn.Module
    number : int
        Its place in the model.
    settings : BlockSettings
    optimizer : torch.optim.Optimizer or None
        None if nothing in the block is trained.

    Attributes
    ----------
    projection : Projection or None
        The feedback; None for the head, and where nothing is trained.
    gain : float
        Factor of the pseudo-gradient.
    tap : "output" or "layer_norm"
        Where the pseudo-gradient enters.
    tap_axes : "all" or "last"
        What the tap normalises over.
    """

    def __init__(
        self,
        module: nn.Module,
        number: int,
        settings: BlockSettings,
        optimizer: torch.optim.Optimizer | None = None,
    ) -> None:
        self.module, self.number, self.settings = module, number, settings
        self.optimizer = optimizer
        self.projection: Projection | None = None
        self.gain = 1.0
        self.tap, self.tap_axes = "output", "all"
        self.parameters = tuple(module.parameters())
        self._is_noisy = any(map(_may_draw, module.modules()))
        self._fused: FusedDense | None = None
        scaled = settings.amp == torch.float16
        self.scaler = torch.amp.GradScaler(settings.device_type) if scaled else None
        self._saved_feedback: dict[str, Any] | None = None  # loaded before there was any

    def __repr__(self) -> str:
        trained = "head" if self.projection is None and self.is_trained else self.tap
        return f"TrainedBlock({self.number}, {trained if self.is_trained else 'not trained'})"

    @property
    def is_trained(self) -> bool:
        """Whether any parameter is trained."""
        return any(parameter.requires_grad for parameter in self.parameters)

    @property
    def has_parameters(self) -> bool:
        """Whether there are parameters, trained or not."""
        return bool(self.parameters)

    def attach(self, projection: Projection) -> None:
        """Give the block its feedback."""
        self.projection = projection
        if self._saved_feedback is not None:
            projection.load_state_dict(self._saved_feedback)
            self._saved_feedback = None

    def prepare(self) -> None:
        """Find the fast path; hooks may have come since the last time."""
        allowed = self.settings.fuse and self.settings.amp is None and self.tap == "output"
        self._fused = fuse(self.module) if allowed else None

    def forward(self, h: Tensor, step: int, *, learn: bool = True) -> tuple[Tensor, Tape]:
        """The output, without a graph, and what its local backward pass needs.

        Parameters
        ----------
        h : Tensor, (n, *)
            Treated as a constant: no gradient of the input is ever computed.
        step : int
            Number of the training step, which noise depends on.
        learn : bool
            Whether a backward pass will follow.
        """
        learn = learn and self.is_trained
        with self._noise(step):
            if self._fused is not None:
                with torch.no_grad():
                    used, out = self._fused.forward(h)
                return out, _fused_tape(self._fused, used, out) if learn else None
            with torch.set_grad_enabled(learn), self._autocast():
                out = self.module(h)
        if not learn:
            return out, None
        with torch.enable_grad():
            end = self.tapped(out)
        return out.detach(), _autograd_tape(end, self.scaler)

    def run(self, h: Tensor, step: int) -> Tensor:
        """The output as autograd sees it, for backpropagation through the block."""
        with self._noise(step), self._autocast():
            output: Tensor = self.module(h)
        return output

    def pseudo_gradient(self, signal: Signal, n: int) -> Tensor:
        """Feedback times error, (n, *shape)."""
        assert self.projection is not None
        with torch.no_grad():
            return self.projection.apply(signal.scaled(self.gain), n)

    def update(self) -> None:
        """One step of the block's optimiser; gradients are dropped."""
        if self.optimizer is None:
            return
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if self.settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.trained_parameters(), self.settings.clip_norm)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def trained_parameters(self) -> list[nn.Parameter]:
        """Those that require gradients."""
        return [p for p in self.parameters if p.requires_grad]

    def tapped(self, out: Tensor) -> Tensor:
        """Where the pseudo-gradient enters."""
        if self.tap == "output":
            return out
        axes = out.shape[1:] if self.tap_axes == "all" else out.shape[-1:]
        return functional.layer_norm(out.float(), axes)

    @contextlib.contextmanager
    def _noise(self, step: int) -> Iterator[None]:
        """Random numbers of this block and step, the same on every rank and after a restart."""
        if not self._is_noisy:
            yield
            return
        devices = sorted({p.device.index for p in self.parameters if p.is_cuda})
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(derive(self.settings.seed, NOISE, self.number, step))
            yield

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.settings.amp is None:
            return contextlib.nullcontext()
        return torch.autocast(self.settings.device_type, self.settings.amp)

    def state_dict(self) -> dict[str, Any]:
        """Parameters, buffers, optimiser, loss scale and feedback."""
        return {
            "module": self.module.state_dict(),
            "optimizer": None if self.optimizer is None else self.optimizer.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "feedback": None if self.projection is None else self.projection.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same block."""
        self.module.load_state_dict(state["module"])
        if self.optimizer is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])
        if self.projection is None:
            self._saved_feedback = state["feedback"]
        elif state["feedback"] is not None:
            self.projection.load_state_dict(state["feedback"])


def norms(blocks: Sequence[TrainedBlock]) -> str:
    """Norms of the parameters of each block, for the message about a loss that is lost."""
    values = [
        float(nn.utils.get_total_norm([p.detach() for p in block.parameters]))
        for block in blocks
        if block.parameters
    ]
    return "norms of the blocks' parameters: " + ", ".join(f"{value:.3g}" for value in values)


def _may_draw(module: nn.Module) -> bool:
    """Whether a module may use random numbers: dropout, attention, and what is not torch's."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return bool(module.p > 0)
    if isinstance(module, nn.MultiheadAttention):
        return bool(module.dropout > 0)
    is_foreign = not type(module).__module__.startswith(("torch.nn.", "f3."))
    return isinstance(module, nn.RReLU) or is_foreign


def _fused_tape(fused: FusedDense, h: Tensor, out: Tensor) -> Backward:
    def backward(gradient: Tensor) -> None:
        with torch.no_grad():
            fused.backward(h, out, gradient)

    return backward


def _autograd_tape(end: Tensor, scaler: Any) -> Backward:
    def backward(gradient: Tensor) -> None:
        gradient = gradient.to(end.dtype)
        if scaler is not None:
            gradient = scaler.scale(gradient)
        torch.autograd.backward(end, gradient)

    return backward
