"""The networks: tokens of histories and of first forecasts in, better forecasts out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recycle.network.blocks import Layer
from recycle.network.config import NetworkConfig

__all__ = ["ReCycleNet"]


class ReCycleNet(nn.Module):
    """Corrects a base forecast, one token for each cycle.

    The last layer starts at zero, so that an untrained network returns the base forecast. The
    exception is the paper's network, which starts as torch initialises it.

    Parameters
    ----------
    config : NetworkConfig
    period : int
        Values of a token.
    n_history, n_future : int
        Tokens of history and of the forecast.
    n_features : int
        Calendar numbers of a token.
    """

    def __init__(
        self, config: NetworkConfig, period: int, n_history: int, n_future: int, n_features: int
    ) -> None:
        super().__init__()
        self.config, self.period, self.outputs = config, period, 1 + len(config.quantiles)
        self.n_history, self.n_future, self.n_features = n_history, n_future, n_features
        body = _Perceptron if config.kind == "mlp" else _Transformer
        self.body = body(config, period, n_history, n_future, n_features)

    def forward(
        self, e: Tensor, d: Tensor, calendar_e: Tensor, calendar_d: Tensor, n_series: int = 1
    ) -> Tensor:
        """Correct.

        Parameters
        ----------
        e : (n, n_history, period)
            Histories: residuals of the profile, centred.
        d : (n, n_future, period)
            Base forecasts, centred likewise.
        calendar_e, calendar_d : (n, n_history, g) and (n, n_future, g)
        n_series : int
            So many neighbouring windows belong together, if channels are mixed.

        Returns
        -------
        (n, n_future, outputs * period)
            The forecast, and after it each quantile.
        """
        tokens = torch.cat([e, calendar_e], 2), torch.cat([d, calendar_d], 2)
        correction: Tensor = self.body(*tokens, n_series)
        return (d if self.outputs == 1 else d.repeat(1, 1, self.outputs)) + correction


class _Transformer(nn.Module):
    def __init__(
        self, config: NetworkConfig, period: int, n_history: int, n_future: int, n_features: int
    ) -> None:
        super().__init__()
        width, paper = config.d_model, config.kind == "paper"
        token = period + n_features
        same = paper and token == width  # the original leaves the embedding out then
        self.embed_e = nn.Identity() if same else nn.Linear(token, width)
        self.embed_d = nn.Identity() if same else nn.Linear(token, width)
        self.drop = nn.Dropout(config.dropout)
        self.position_e = self.position_d = None
        if not paper:
            self.position_e = nn.Parameter(0.02 * torch.randn(n_history, width))
            self.position_d = nn.Parameter(0.02 * torch.randn(n_future, width))
        activation = nn.functional.relu if paper else nn.functional.gelu
        shape = (width, config.n_heads, config.d_ff, activation, not paper)
        self.encoder = nn.ModuleList(Layer(*shape) for _ in range(config.encoder_layers))
        self.decoder = nn.ModuleList(
            Layer(*shape, cross=True) for _ in range(config.decoder_layers)
        )
        self.mixer = Layer(*shape) if config.channels == "attention" else None
        self.norm_e = nn.LayerNorm(width)
        self.norm_d = nn.LayerNorm(width) if config.decoder_layers else nn.Identity()
        self.read = nn.Linear(width, (1 + len(config.quantiles)) * period)
        if paper:
            for weights in (*self.encoder.parameters(), *self.decoder.parameters()):
                if weights.dim() > 1:
                    nn.init.xavier_uniform_(weights)
        else:
            nn.init.zeros_(self.read.weight)
            nn.init.zeros_(self.read.bias)

    def forward(self, e: Tensor, d: Tensor, n_series: int) -> Tensor:
        tokens_e, tokens_d = self.drop(self.embed_e(e)), self.drop(self.embed_d(d))
        if self.position_e is not None and self.position_d is not None:
            tokens_e, tokens_d = tokens_e + self.position_e, tokens_d + self.position_d
        for layer in self.encoder:
            tokens_e = layer(tokens_e)
        if self.mixer is not None:  # the series of a cycle are the tokens
            cycles = tokens_e.unflatten(0, (-1, n_series)).transpose(1, 2)
            mixed = self.mixer(cycles.flatten(0, 1)).unflatten(0, cycles.shape[:2])
            tokens_e = mixed.transpose(1, 2).flatten(0, 1)
        memory = self.norm_e(tokens_e)
        if len(self.decoder) == 0:
            tokens_d = tokens_d + memory.mean(dim=1, keepdim=True)
        for layer in self.decoder:
            tokens_d = layer(tokens_d, memory)
        corrected: Tensor = self.read(self.norm_d(tokens_d))
        return corrected


class _Perceptron(nn.Module):
    def __init__(
        self, config: NetworkConfig, period: int, n_history: int, n_future: int, n_features: int
    ) -> None:
        super().__init__()
        tokens = n_history + n_future
        self.shape = (n_future, (1 + len(config.quantiles)) * period)
        self.layers = nn.Sequential(
            nn.Linear(tokens * (period + n_features), config.d_ff),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.d_ff, self.shape[0] * self.shape[1]),
        )
        read = self.layers[-1]
        assert isinstance(read, nn.Linear)
        nn.init.zeros_(read.weight)
        nn.init.zeros_(read.bias)

    def forward(self, e: Tensor, d: Tensor, n_series: int) -> Tensor:  # noqa: ARG002
        flat = torch.cat([e.flatten(1), d.flatten(1)], dim=1)
        found: Tensor = self.layers(flat).unflatten(1, self.shape)
        return found
