"""Sizes of the networks, and how they are trained."""

from __future__ import annotations

from dataclasses import dataclass

from recycle.intervals import check_quantiles

__all__ = ["PAPER", "NetworkConfig"]

LOSSES = ("mae", "mse", "huber")


@dataclass(frozen=True)
class NetworkConfig:
    """A network of cycle tokens.

    Attributes
    ----------
    kind : str
        "transformer", "mlp", or "paper" (the original: post-norm, no positions).
    history : int
        Cycles that the network sees.
    d_model, n_heads, encoder_layers, decoder_layers, d_ff : int
        Width in total, not per head. Without decoder layers the encoder's mean is read out.
    dropout : float
        Of the token embeddings, in training on one process.
    loss : str
        "mae", "mse" or "huber", of scaled values.
    rate, weight_decay, clip : float
        Of AdamW ("paper": Adam at a constant rate).
    batch, epochs, patience, windows_per_epoch : int
        Windows a step; most epochs; epochs without progress before the end; windows an epoch.
    quantiles : tuple of float
        Levels for which the network has outputs of their own, trained by the pinball loss and
        corrected by held-out errors. Quantiles of other levels come from held-out errors alone.
    channels : str
        "independent"; or "attention": series of a panel attend to each other at each cycle.
    aligned : bool
        Train on windows that start with a cycle only, as the original does.
    time_budget : float
        Seconds after which no epoch is begun.
    seed : int
    """

    kind: str = "transformer"
    history: int = 21
    d_model: int = 32
    n_heads: int = 2
    encoder_layers: int = 1
    decoder_layers: int = 1
    d_ff: int = 64
    dropout: float = 0.0
    loss: str = "mae"
    rate: float = 2e-3
    weight_decay: float = 1e-2
    clip: float = 1.0
    batch: int = 256
    epochs: int = 30
    patience: int = 4
    windows_per_epoch: int = 4096
    quantiles: tuple[float, ...] = ()
    channels: str = "independent"
    aligned: bool = False
    time_budget: float = float("inf")
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in {"transformer", "mlp", "paper"}:
            raise ValueError(f"A network is transformer, mlp or paper, not {self.kind!r}")
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {LOSSES}, not {self.loss!r}")
        if self.d_model % self.n_heads:
            raise ValueError(
                f"d_model = {self.d_model} must be a multiple of n_heads = {self.n_heads}"
            )
        sizes = (self.history, self.encoder_layers, self.batch, self.epochs, self.patience)
        if min(sizes) < 1 or self.decoder_layers < 0:
            raise ValueError("history, layers, batch, epochs and patience must be positive")
        if self.channels not in {"independent", "attention"}:
            raise ValueError(
                f"channels must be 'independent' or 'attention', not {self.channels!r}"
            )
        if self.channels == "attention" and self.kind != "transformer":
            raise ValueError("Only the transformer has channels='attention'")
        object.__setattr__(self, "quantiles", check_quantiles(self.quantiles))


#: The network and the training of the paper, as its published code has them.
PAPER = NetworkConfig(
    kind="paper",
    n_heads=1,
    d_ff=96,
    rate=1e-3,
    weight_decay=0.0,
    clip=float("inf"),
    batch=32,
    epochs=200,
    patience=20,
    windows_per_epoch=1_000_000,
    aligned=True,
)
