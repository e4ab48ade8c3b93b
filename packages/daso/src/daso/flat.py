"""A model's numbers as one vector, cut into fragments, stripes and buckets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["FlatParameters", "floating_buffers"]


class FlatParameters:
    """The trained parameters of a model, and its floating buffers, as one vector.

    Frozen parameters are not part of it, and shared ones are part of it once. Complex numbers count
    as two. The vector is float64 if one of the tensors is, otherwise float32; it is padded to a
    multiple of ``fragments * stripes``. Tensors are copied to and from it, and stay where they are.

    Parameters
    ----------
    parameters : iterable of nn.Parameter
    buffers : iterable of Tensor
        Follow the parameters in the vector.
    stripes, fragments : int

    Attributes
    ----------
    n_parameters, n : int
        Numbers in the parameters, and together with the buffers.
    piece : int
        Numbers in one stripe of one fragment.
    size : int
        Length of the padded vector.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        buffers: Iterable[Tensor] = (),
        *,
        stripes: int = 1,
        fragments: int = 1,
    ) -> None:
        self.parameters = [p for p in dict.fromkeys(parameters) if p.requires_grad]
        _check(self.parameters)
        self.buffers = list(buffers)
        parts = [_real(t) for t in [*self.parameters, *self.buffers]]
        self.sizes = [part.numel() for part in parts]
        self.n_parameters = sum(self.sizes[: len(self.parameters)])
        self.n = sum(self.sizes)
        self.stripes, self.fragments = stripes, fragments
        self.piece = max(1, -(-self.n // (stripes * fragments)))
        self.size = self.piece * stripes * fragments
        wide = any(part.dtype == torch.float64 for part in parts)
        self.dtype = torch.float64 if wide else torch.float32
        self.device = parts[0].device if parts else torch.device("cpu")

    def zeros(self, size: int | None = None) -> Tensor:
        """A vector of the model's length, or another one."""
        length = self.size if size is None else size
        return torch.zeros(length, dtype=self.dtype, device=self.device)

    def fragment(self, index: int) -> slice:
        """Where a fragment lies in the vector."""
        length = self.piece * self.stripes
        return slice(index * length, (index + 1) * length)

    def stripe(self, fragment: int, index: int) -> slice:
        """Where a stripe of a fragment lies in the vector."""
        start = (fragment * self.stripes + index) * self.piece
        return slice(start, start + self.piece)

    def fingerprint(self) -> int:
        """31 bits that differ if the layouts do."""
        shapes = [(tuple(t.shape), str(t.dtype)) for t in [*self.parameters, *self.buffers]]
        text = repr((shapes, self.stripes, self.fragments))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1

    # ------------------------------------------------------------------ parameters

    @torch.no_grad()
    def gather(self, out: Tensor) -> Tensor:
        """Copy all tensors to the vector `out`."""
        tensors = [_real(t) for t in [*self.parameters, *self.buffers]]
        return _pack(tensors, self.sizes, out)

    @torch.no_grad()
    def apply(self, part: slice, keep: float, shift: Tensor) -> None:
        """Set ``x <- keep * x + shift`` in a part of the vector; buffers become the shift itself.

        Parameters
        ----------
        part : slice
            Of the vector.
        keep : float
            If 0, x is overwritten whatever it is.
        shift : tensor of the part's length
        """
        start = 0
        n_parameters = len(self.parameters)
        for i, tensor in enumerate([*self.parameters, *self.buffers]):
            stop = start + self.sizes[i]
            low, high = max(start, part.start), min(stop, part.stop)
            if low < high:
                share = keep if i < n_parameters else 0.0
                addend = shift[low - part.start : high - part.start]
                _update(_real(tensor), low - start, share, addend)
            start = stop

    # ------------------------------------------------------------------ gradients

    @torch.no_grad()
    def gather_gradients(self, out: Tensor) -> Tensor:
        """Copy all gradients to `out`, followed by a 1 for each parameter that has one."""
        gradients = [_gradient(p) for p in self.parameters]
        _pack(gradients, self.sizes[: len(gradients)], out)
        has = [float(p.grad is not None) for p in self.parameters]
        out[self.n_parameters : self.n_parameters + len(has)] = torch.tensor(has)
        return out

    @torch.no_grad()
    def scatter_gradients(self, flat: Tensor) -> None:
        """Set the gradients of all parameters that any rank had one for."""
        has = flat[self.n_parameters : self.n_parameters + len(self.parameters)].tolist()
        for parameter, part, is_used in zip(
            self.parameters, self.split_like_parameters(flat), has, strict=True
        ):
            if is_used > 0:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                target = _real(parameter.grad)
                target.copy_(part.view(target.shape))

    @property
    def gradient_size(self) -> int:
        """Length of the vector of gradients, padded to a multiple of the stripes."""
        length = self.n_parameters + len(self.parameters)
        return -(-length // self.stripes) * self.stripes

    def split_like_parameters(self, vector: Tensor) -> list[Tensor]:
        """One flat part of a vector for each parameter."""
        sizes = self.sizes[: len(self.parameters)]
        return list(vector[: sum(sizes)].split(sizes))

    def pack_like_parameters(self, tensors: Sequence[Tensor], out: Tensor) -> Tensor:
        """Copy one tensor for each parameter, of its shape, to `out`."""
        return _pack([_real(t) for t in tensors], self.sizes[: len(tensors)], out)


def floating_buffers(model: nn.Module) -> list[Tensor]:
    """The floating buffers of a model, each once."""
    return [b for b in dict.fromkeys(model.buffers()) if b.is_floating_point()]


def _check(parameters: Sequence[nn.Parameter]) -> None:
    for parameter in parameters:
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise TypeError(
                "a parameter has no shape yet (a lazy module): run the model once on a batch first"
            )
    devices = {parameter.device for parameter in parameters}
    if len(devices) > 1:
        raise ValueError(f"the parameters are on several devices {sorted(map(str, devices))}")


def _real(tensor: Tensor) -> Tensor:
    """A view of real numbers on a tensor."""
    plain = tensor.detach()
    return torch.view_as_real(plain) if plain.is_complex() else plain


def _gradient(parameter: nn.Parameter) -> Tensor:
    gradient = parameter.grad
    if gradient is None:
        return _real(torch.zeros_like(parameter))
    if gradient.is_sparse:
        raise TypeError("sparse gradients are not supported: build the embedding with sparse=False")
    return _real(gradient)


def _pack(tensors: Sequence[Tensor], sizes: Sequence[int], out: Tensor) -> Tensor:
    if tensors:
        views: list[Any] = list(out[: sum(sizes)].split(list(sizes)))
        torch._foreach_copy_(views, [tensor.reshape(-1) for tensor in tensors])
    return out


def _update(tensor: Tensor, start: int, keep: float, addend: Tensor) -> None:
    """Update the elements from `start` on of a tensor of any memory layout."""
    is_whole = addend.numel() == tensor.numel()
    if is_whole:
        target, addend = tensor, addend.view(tensor.shape)
    elif tensor.is_contiguous():
        target = tensor.view(-1)[start : start + addend.numel()]
    else:
        flat = tensor.reshape(-1)
        _update(flat, start, keep, addend)
        tensor.copy_(flat.view(tensor.shape))
        return
    if keep == 0:
        target.copy_(addend)
    elif keep == 1:
        target.add_(addend)
    else:
        target.mul_(keep).add_(addend)
