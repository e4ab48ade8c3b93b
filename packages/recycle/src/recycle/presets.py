"""Parameters that go together, by name."""

from __future__ import annotations

from typing import Any

from recycle.ridge import RidgeConfig

__all__ = ["PRESETS", "preset_parameters"]

#: "fast": no network. "accurate": the defaults. "edge": a low-rank ridge and a small network, to be
#: exported with ``weights="int8"``. "paper": the original, three weeks to one from midnights.
PRESETS = ("fast", "accurate", "edge", "paper")


def preset_parameters(name: str, seed: int = 0) -> dict[str, Any]:
    """Parameters of `ReCycleForecaster` that a preset sets.

    Parameters
    ----------
    name : str
    seed : int
        Of its network, if it has one of its own.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    from recycle.network.config import NetworkConfig

    if name == "fast":
        return {"head": "ridge"}
    if name == "accurate":
        return {}
    if name == "edge":
        return {
            "history": "14c",
            "ridge": RidgeConfig(rank=8, own_share=0.0),
            "network": NetworkConfig(d_model=16, d_ff=32, seed=seed),
        }
    if name == "paper":
        return {"head": "paper", "horizon": "7c", "k": 3, "origins": "cycles"}
    raise ValueError(f"preset must be one of {PRESETS}, not {name!r}")
