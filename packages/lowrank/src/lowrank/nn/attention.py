"""Multi-head attention whose projections are layers of their own, so that they can be factored."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["MultiheadAttention", "torch_entries"]


class MultiheadAttention(nn.Module):
    """`torch.nn.MultiheadAttention` with ordinary layers in place of bare projection weights.

    `torch.nn.MultiheadAttention` keeps the projections of query, key and value as one parameter
    and multiplies by parts of it. Here they are ``in_proj`` (one `torch.nn.Linear` to 3 E features)
    or, where key and value have other sizes, ``q_proj``, ``k_proj`` and ``v_proj``; each can be
    replaced by a factored layer, which then computes with its factors. The parameters of the
    original are used, not copied, so that an optimiser keeps its hold on them.

    Parameters
    ----------
    attention : torch.nn.MultiheadAttention

    Attributes
    ----------
    is_split : Tensor
        Marks the module for those who have nothing but a state dict. A buffer.
    """

    is_split: Tensor
    in_proj_bias_: nn.Parameter | None

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.embed_dim, self.num_heads = attention.embed_dim, attention.num_heads
        self.kdim, self.vdim = attention.kdim, attention.vdim
        self.head_dim, self.dropout = attention.head_dim, attention.dropout
        self.batch_first, self.add_zero_attn = attention.batch_first, attention.add_zero_attn
        self._qkv_same_embed_dim = attention._qkv_same_embed_dim
        self.bias_k, self.bias_v = attention.bias_k, attention.bias_v
        bias = attention.in_proj_bias
        if self._qkv_same_embed_dim:
            self.in_proj: Any = _linear(attention.in_proj_weight, bias)
        else:
            self.q_proj: Any = _linear(attention.q_proj_weight, None)
            self.k_proj: Any = _linear(attention.k_proj_weight, None)
            self.v_proj: Any = _linear(attention.v_proj_weight, None)
            self.register_parameter("in_proj_bias_", bias)
        self.out_proj: Any = attention.out_proj
        self.register_buffer("is_split", torch.ones((), dtype=torch.bool))
        self.train(attention.training)

    # torch's encoder layer reads these when it takes its fast path

    @property
    def in_proj_weight(self) -> Tensor | None:
        """Weight of ``in_proj``, shape (3 E, E); None with separate projections."""
        weight: Tensor | None = self.in_proj.weight if self._qkv_same_embed_dim else None
        return weight

    @property
    def in_proj_bias(self) -> Tensor | None:
        """Bias of the three projections, shape (3 E,)."""
        bias: Tensor | None = self.in_proj.bias if self._qkv_same_embed_dim else self.in_proj_bias_
        return bias

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend; arguments, shapes and results are those of `torch.nn.MultiheadAttention`."""
        if is_causal and attn_mask is None:
            raise ValueError("is_causal is a hint about attn_mask: pass the mask, too")
        batched = query.dim() == 3
        if not batched:
            query, key, value = (x.unsqueeze(0) for x in (query, key, value))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif not self.batch_first:
            query, key, value = _to_batch_first(query, key, value)
        q, k, v = self._project(query, key, value)
        k, v, mask = self._extended(k, v, attn_mask, key_padding_mask, q.dtype)
        q, k, v = (self._heads(x) for x in (q, k, v))
        mixed, weights = self._attend(q, k, v, mask, need_weights=need_weights)
        output = self.out_proj(mixed.transpose(1, 2).flatten(2))
        if weights is not None and average_attn_weights:
            weights = weights.mean(dim=1)
        if not batched:
            return output.squeeze(0), None if weights is None else weights.squeeze(0)
        return output if self.batch_first else output.transpose(0, 1), weights

    # the fast path calls it; it needs nothing but the number of heads
    merge_masks = nn.MultiheadAttention.merge_masks

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not self._qkv_same_embed_dim:
            q, k, v = self.q_proj(query), self.k_proj(key), self.v_proj(value)
            if self.in_proj_bias_ is not None:
                q, k, v = (
                    x + b for x, b in zip((q, k, v), self.in_proj_bias_.chunk(3), strict=True)
                )
            return q, k, v
        if query is key and key is value:
            q, k, v = self.in_proj(query).chunk(3, dim=-1)
            return q, k, v
        if key is value:
            k, v = self.in_proj(key).chunk(3, dim=-1)[1:]
            return self.in_proj(query).chunk(3, dim=-1)[0], k, v
        q, k, v = (self.in_proj(x).chunk(3, dim=-1)[i] for i, x in enumerate((query, key, value)))
        return q, k, v

    def _extended(
        self,
        k: Tensor,
        v: Tensor,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keys and values with the learned and the zero entry; the masks as one additive mask."""
        batch, extra = k.shape[0], 0
        if self.bias_k is not None and self.bias_v is not None:
            k = torch.cat([k, self.bias_k.expand(batch, 1, -1)], dim=1)
            v = torch.cat([v, self.bias_v.expand(batch, 1, -1)], dim=1)
            extra += 1
        if self.add_zero_attn:
            k, v = (torch.cat([x, x.new_zeros(batch, 1, x.shape[2])], dim=1) for x in (k, v))
            extra += 1
        mask: Tensor | None = None
        if attn_mask is not None:
            mask = functional.pad(_additive(attn_mask, dtype), (0, extra))
            if mask.dim() == 3:  # one for each head of each sample
                mask = mask.unflatten(0, (batch, self.num_heads))
        if key_padding_mask is not None:
            padding = functional.pad(_additive(key_padding_mask, dtype), (0, extra))
            padding = padding[:, None, None, :]
            mask = padding if mask is None else mask + padding
        return k, v, mask

    def _heads(self, x: Tensor) -> Tensor:
        heads = (*x.shape[:-1], self.num_heads, self.head_dim)
        return x.reshape(heads).transpose(1, 2)

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        dropout = self.dropout if self.training else 0.0
        if not need_weights:
            return functional.scaled_dot_product_attention(q, k, v, mask, dropout), None
        scores = (q / math.sqrt(self.head_dim)) @ k.mT
        weights = torch.softmax(scores if mask is None else scores + mask, dim=-1)
        weights = functional.dropout(weights, dropout) if dropout else weights
        return weights @ v, weights

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Take a checkpoint of torch's own module as well; the children load after this."""
        if prefix + "is_split" not in state_dict:
            bias = "in_proj.bias" if self._qkv_same_embed_dim else "in_proj_bias_"
            for theirs, ours in {**RENAMED, "in_proj_bias": bias}.items():
                if prefix + theirs in state_dict:
                    state_dict[prefix + ours] = state_dict.pop(prefix + theirs)
            state_dict[prefix + "is_split"] = self.is_split
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def dense(self) -> nn.MultiheadAttention:
        """Torch's own module with this one's weights; all projections must be dense layers."""
        attention = nn.MultiheadAttention(
            self.embed_dim,
            self.num_heads,
            dropout=self.dropout,
            bias=self.in_proj_bias is not None,
            add_bias_kv=self.bias_k is not None,
            add_zero_attn=self.add_zero_attn,
            kdim=self.kdim,
            vdim=self.vdim,
            batch_first=self.batch_first,
            device="meta",
        )
        if self._qkv_same_embed_dim:
            attention.in_proj_weight = self.in_proj.weight
        else:
            attention.q_proj_weight = self.q_proj.weight
            attention.k_proj_weight = self.k_proj.weight
            attention.v_proj_weight = self.v_proj.weight
        attention.in_proj_bias = self.in_proj_bias  # type: ignore[assignment]
        attention.bias_k, attention.bias_v = self.bias_k, self.bias_v
        attention.out_proj.weight, attention.out_proj.bias = (
            self.out_proj.weight,
            self.out_proj.bias,
        )
        return attention.train(self.training)


#: Entries of torch's module in a state dict, and of this one; these may stand for factors, too.
RENAMED = {
    "in_proj_weight": "in_proj.weight",
    "q_proj_weight": "q_proj.weight",
    "k_proj_weight": "k_proj.weight",
    "v_proj_weight": "v_proj.weight",
}


def torch_entries(state: dict[str, Any]) -> None:
    """Rename the entries of dense split attention modules to those of torch's own, in place."""
    for prefix in [k.removesuffix("is_split") for k in state if k.endswith("is_split")]:
        del state[prefix + "is_split"]
        both = {"in_proj.bias": "in_proj_bias", "in_proj_bias_": "in_proj_bias"}
        for ours, theirs in {**{v: k for k, v in RENAMED.items()}, **both}.items():
            if prefix + ours in state:
                state[prefix + theirs] = state.pop(prefix + ours)


def _linear(weight: nn.Parameter, bias: nn.Parameter | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = weight
    layer.register_parameter("bias", bias)
    return layer


def _to_batch_first(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Swap the first two axes, and keep equal arguments the same object."""
    q = query.transpose(0, 1)
    k = q if key is query else key.transpose(0, 1)
    if value is key:
        return q, k, k
    return q, k, value.transpose(0, 1)


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(mask, -math.inf)
