"""Networks to compare with, written for the benchmarks after the papers' descriptions.

All take histories ``(n, L)`` of single series, and give forecasts ``(n, H)``; each window is
normalised by its mean and deviation and back, as the papers do. iTransformer takes the series of a
window together, as its tokens.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["DLinear", "ITransformer", "Informer", "NLinear", "PatchTST"]


class DLinear(nn.Module):
    """A linear map of the trend and one of the rest (Zeng et al., AAAI 2023)."""

    def __init__(self, lookback: int, horizon: int, width: int = 25) -> None:
        super().__init__()
        self.trend, self.rest = nn.Linear(lookback, horizon), nn.Linear(lookback, horizon)
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """Histories to forecasts."""
        padded = nn.functional.pad(x[:, None], (self.width // 2, self.width // 2), "replicate")
        trend = nn.functional.avg_pool1d(padded, self.width, 1)[:, 0]
        out: Tensor = self.trend(trend) + self.rest(x - trend)
        return out


class NLinear(nn.Module):
    """A linear map of what differs from the last value (Zeng et al., AAAI 2023)."""

    def __init__(self, lookback: int, horizon: int) -> None:
        super().__init__()
        self.map = nn.Linear(lookback, horizon)

    def forward(self, x: Tensor) -> Tensor:
        """Histories to forecasts."""
        last = x[:, -1:]
        out: Tensor = self.map(x - last) + last
        return out


class _Normalised(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """Histories to forecasts."""
        mean, deviation = x.mean(1, keepdim=True), x.std(1, keepdim=True) + 1e-5
        return self.body((x - mean) / deviation) * deviation + mean

    @abstractmethod
    def body(self, x: Tensor) -> Tensor:
        """What is done between."""


class PatchTST(_Normalised):
    """Patches of 16 steps every 8 as tokens of an encoder (Nie et al., ICLR 2023)."""

    def __init__(
        self, lookback: int, horizon: int, *, d: int, heads: int, ff: int, layers: int = 3
    ) -> None:
        super().__init__()
        self.patches = (lookback - 16) // 8 + 2
        self.embed = nn.Linear(16, d)
        self.position = nn.Parameter(0.02 * torch.randn(self.patches, d))
        layer = nn.TransformerEncoderLayer(d, heads, ff, 0.0, "gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(self.patches * d, horizon)

    def body(self, x: Tensor) -> Tensor:
        """Normalised histories to normalised forecasts."""
        x = nn.functional.pad(x[:, None], (0, 8), "replicate")[:, 0]
        tokens = self.embed(x.unfold(1, 16, 8)) + self.position
        out: Tensor = self.head(self.encoder(tokens).flatten(1))
        return out


class ITransformer(_Normalised):
    """Whole series as tokens (Liu et al., ICLR 2024); `channels` rows make one window."""

    def __init__(self, lookback: int, horizon: int, *, channels: int = 7, d: int = 256) -> None:
        super().__init__()
        self.channels = channels
        self.embed, self.head = nn.Linear(lookback, d), nn.Linear(d, horizon)
        layer = nn.TransformerEncoderLayer(d, 8, d, 0.0, "gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def body(self, x: Tensor) -> Tensor:
        """Normalised histories to normalised forecasts."""
        tokens = self.embed(x).unflatten(0, (-1, self.channels))
        out: Tensor = self.head(self.encoder(tokens).flatten(0, 1))
        return out


class Informer(_Normalised):
    """A token each step, halving between encoder layers (Zhou et al., AAAI 2021).

    Attention is full, not sampled: torch's fused kernel; most of the cost is in the layers of
    width 2048 anyway.
    """

    def __init__(
        self, lookback: int, horizon: int, *, d: int = 512, ff: int = 2048, label: int = 48
    ) -> None:
        super().__init__()
        self.horizon, self.label = horizon, label
        self.embed_e, self.embed_d = nn.Linear(1, d), nn.Linear(1, d)
        self.position_e = nn.Parameter(0.02 * torch.randn(lookback, d))
        self.position_d = nn.Parameter(0.02 * torch.randn(label + horizon, d))
        options: dict[str, Any] = {"batch_first": True, "activation": "gelu"}
        self.first = nn.TransformerEncoderLayer(d, 8, ff, 0.0, **options)
        self.halve = nn.Conv1d(d, d, 3, padding=1)
        self.second = nn.TransformerEncoderLayer(d, 8, ff, 0.0, **options)
        self.decoder = nn.TransformerDecoderLayer(d, 8, ff, 0.0, **options)
        self.head = nn.Linear(d, 1)

    def body(self, x: Tensor) -> Tensor:
        """Normalised histories to normalised forecasts."""
        tokens = self.first(self.embed_e(x[:, :, None]) + self.position_e)
        short = nn.functional.max_pool1d(nn.functional.elu(self.halve(tokens.mT)), 3, 2, 1)
        memory = self.second(short.mT)
        known = nn.functional.pad(x[:, -self.label :], (0, self.horizon))
        out = self.decoder(self.embed_d(known[:, :, None]) + self.position_d, memory)
        last: Tensor = self.head(out)[:, -self.horizon :, 0]
        return last
