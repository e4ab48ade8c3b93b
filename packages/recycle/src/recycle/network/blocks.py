"""Transformer layers of few operations: what the network is small enough to notice."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Layer"]


class _Attention(nn.Module):
    """Attention of tokens to others, or to each other (Vaswani et al., 2017, section 3.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.shape = (heads, width // heads)
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, memory: Tensor | None) -> Tensor:
        if memory is None:
            q, k, v = self.project(x).unflatten(2, (3, *self.shape)).permute(2, 0, 3, 1, 4).unbind()
        else:
            weight, bias, width = self.project.weight, self.project.bias, x.shape[2]
            q = functional.linear(x, weight[:width], bias[:width])
            q = q.unflatten(2, self.shape).transpose(1, 2)
            both = functional.linear(memory, weight[width:], bias[width:])
            k, v = both.unflatten(2, (2, *self.shape)).permute(2, 0, 3, 1, 4).unbind()
        found: Tensor = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return out


class Layer(nn.Module):
    """A layer of an encoder, or with `cross` of a decoder without masks.

    The same as torch's, without what it does for masks, nested tensors and other layouts.

    Parameters
    ----------
    width, heads, hidden : int
    activation : callable
    norm_first : bool
    cross : bool
        Whether tokens attend to a memory, too.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        activation: Callable[[Tensor], Tensor],
        norm_first: bool,
        cross: bool = False,
    ) -> None:
        super().__init__()
        self.norm_first, self.activation = norm_first, activation
        self.attention = _Attention(width, heads)
        self.cross = _Attention(width, heads) if cross else None
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if cross else 2))

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """Tokens ``(n, tokens, width)`` to tokens, looking at a memory ``(n, others, width)``."""
        x = self._add(0, x, lambda y: self.attention(y, None))
        if self.cross is not None:
            attend = self.cross
            x = self._add(1, x, lambda y: attend(y, memory))
        return self._add(-1, x, lambda y: self.down(self.activation(self.up(y))))

    def _add(self, norm: int, x: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        if self.norm_first:
            return x + part(self.norms[norm](x))
        after: Tensor = self.norms[norm](x + part(x))
        return after
