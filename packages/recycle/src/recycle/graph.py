"""A fitted model as one torch module, from histories in their own units to forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from recycle.effects import Effect
from recycle.intervals import Conformal
from recycle.model import CyclicModel
from recycle.network import ReCycleNet
from recycle.profiles import RecentHistoricProfile
from recycle.ridge import CycleRidge, factors
from recycle.scaling import Scaler
from recycle.specialdays import SpecialDays
from recycle.windows import Array

__all__ = ["ForecastGraph"]


class ForecastGraph(nn.Module):
    """Forecasts of one series.

    The profile is that of the window; it is the model's own if the window holds the last k days of
    each kind, for which it is two weeks longer than k weeks. Gaps take the profile's value.

    Parameters
    ----------
    model : CyclicModel
    series : int
    scaler : Scaler
    effect : Effect or None
        Of covariates.
    days : SpecialDays or None
    horizon : int
    levels : sequence of float
        Of quantiles.
    """

    offsets: Tensor

    def __init__(
        self,
        model: CyclicModel,
        series: int,
        scaler: Scaler,
        effect: Effect | None,
        days: SpecialDays | None,
        horizon: int,
        levels: Sequence[float],
    ) -> None:
        super().__init__()
        settings, period = model.settings, model.settings.period
        self.horizon, self.whole, self.period = horizon, settings.horizon, period
        weeks = (_memory(settings.profile) + 2) * max(settings.super_cycle, 1) * period
        self.lookback = model.lookback
        self.window = -(-max(model.lookback, weeks) // period) * period
        self.profile = _Profile(settings.profile)
        self.centre, self.spread = float(scaler.centre[series]), float(scaler.scale[series])
        self.logarithm = scaler.logarithm
        self.effect = None if effect is None else _Effect(effect, series)
        self.days = None if days is None else _Days(days)
        self.names = model.names
        rows = dict(zip(model.names, model.weights(series)[:, :horizon], strict=True))
        self.used = [name for name, row in rows.items() if row.any()]
        for name in self.used:
            self.register_buffer(f"weight_{name}", _tensor(rows[name]))
        self.super_period = settings.super_cycle * period
        own = model.ridge_of(series)
        self.ridge = _Ridge(own) if "ridge" in self.used and own is not None else None
        self._take_network(model, own, levels)
        self.max_missing, (middle, deviation) = settings.max_missing, model.typical
        self.largest = middle + settings.ood_sigma * deviation if model.gate else float("inf")
        self.levels = tuple(levels)
        if levels:
            self._take_quantiles(model)
        self.eval()

    def _take_network(
        self, model: CyclicModel, own: CycleRidge | None, levels: Sequence[float]
    ) -> None:
        """The network and its base forecast, where it has weight or quantiles of its own."""
        self.network: ReCycleNet | None = None
        self.base: _Ridge | None = None
        self.n_history = self.n_future = self.n_features = 0
        own_quantiles = model.own_quantiles
        self.own_levels = () if own_quantiles is None else own_quantiles.levels
        if model.network is not None and ("net" in self.used or set(levels) & set(self.own_levels)):
            if model.network.module.config.channels != "independent":
                raise ValueError(
                    "A network that mixes series cannot be exported for one of them; "
                    "fit with NetworkConfig(channels='independent')"
                )
            net = model.network.module.float()
            self.network, self.centred = net, net.config.kind != "paper"
            self.n_history, self.n_future = net.n_history, net.n_future
            self.n_features = net.n_features
            if model.pooled is not None:
                shared = own is model.pooled and self.ridge is not None
                self.base = self.ridge if shared else _Ridge(model.pooled)

    def _take_quantiles(self, model: CyclicModel) -> None:
        """Offsets of the levels; for those that the network has itself, also its rows."""
        if model.conformal is None:
            raise ValueError("The model has no held-out errors for quantiles")
        own, known = model.own_quantiles, self.own_levels
        self.shared = [row for row, level in enumerate(self.levels) if level in known]
        self.own_rows = [known.index(self.levels[row]) for row in self.shared]
        self.register_buffer("offsets", self._offsets(model.conformal, self.levels))
        if own is not None and self.shared:
            levels = [self.levels[row] for row in self.shared]
            self.register_buffer("own_offsets", self._offsets(own, levels))

    def _offsets(self, conformal: Conformal, levels: Sequence[float]) -> Tensor:
        steps = np.repeat(conformal.offsets(levels), self.period, axis=1)
        return _tensor(steps[:, : self.horizon])

    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Names of the inputs and their shapes without the batch."""
        found: dict[str, tuple[int, ...]] = {
            "history": (self.window,),
            "kind_history": (self.window,),
            "kind_future": (self.whole,),
        }
        if self.network is not None and self.n_features:
            found["calendar_history"] = (self.n_history, self.n_features)
            found["calendar_future"] = (self.n_future, self.n_features)
        if self.effect is not None:
            count = self.effect.count
            found["x_history"], found["x_future"] = (self.window, count), (self.whole, count)
        if self.days is not None:
            kinds = len(self.days.weights)
            found["days_history"], found["days_future"] = (self.window, kinds), (self.whole, kinds)
        if self.effect is not None or self.days is not None:
            found["slot"] = ()
        return found

    def example(self, batch: int = 2) -> tuple[Tensor, ...]:
        """Inputs of the right shapes and types."""
        generator = torch.Generator().manual_seed(0)
        return tuple(
            torch.zeros(batch, *shape, dtype=torch.int64)
            if name.startswith("kind") or name == "slot"
            else torch.rand(batch, *shape, generator=generator)
            for name, shape in self.inputs().items()
        )

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Forecast.

        Parameters
        ----------
        *inputs : as `inputs` names them, each with a batch n in front
            ``history``: in own units, NaN where missing; ``kind_*``: rows of the profile for each
            step; ``calendar_*``: of each cycle; ``x_*``: covariates; ``days_*``: kinds of special
            days; ``slot``: place of the first step in its cycle.

        Returns
        -------
        (n, horizon), and (n, n_levels, horizon) if there are levels
        """
        named = dict(zip(self.inputs(), inputs, strict=True))
        x = named["history"]
        missing = torch.isnan(x)
        if self.logarithm:
            x = torch.log1p(torch.clamp(x, min=0.0))
        x = (x - self.centre) / self.spread
        added: Tensor | float = 0.0
        for part, prefix in ((self.effect, "x"), (self.days, "days")):
            if part is not None:
                slot = named["slot"]
                x = x - part(named[f"{prefix}_history"], slot)
                added = added + part(named[f"{prefix}_future"], slot)[:, : self.horizon]
        h, f = self.profile(x, missing, named["kind_history"], named["kind_future"])
        x = torch.where(missing, h, x)
        found = self._candidates(x, h, f, named)
        parts = [found[name] * getattr(self, f"weight_{name}") for name in self.used]
        point = torch.stack(parts).sum(dim=0) if len(parts) > 1 else parts[0]
        f = f[:, : self.horizon]
        strange = self._strange(x, missing, point)
        point = torch.where(strange, f, point)
        length = min(7 * self.period, max(self.lookback, 1))
        scale = (x[:, -length:] - h[:, -length:]).abs().mean(dim=1, keepdim=True).clamp(min=1e-6)
        forecast = self._own_units(point + added)
        if not self.levels:
            return forecast
        bands = point[:, None] + self.offsets * scale[:, :, None]
        if self.shared:
            own = point[:, None] + found["quantiles"] + self.own_offsets * scale[:, :, None]
            own = torch.where(strange[:, None], bands[:, self.shared], own)
            rows = list(bands.unbind(1))
            for place, row in zip(self.shared, own.unbind(1), strict=True):
                rows[place] = row
            bands = torch.stack(rows, dim=1).sort(dim=1).values
        if isinstance(added, Tensor):
            bands = bands + added[:, None]
        return forecast, self._own_units(bands)

    def _candidates(
        self, x: Tensor, h: Tensor, f: Tensor, named: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        steps = self.horizon
        found = {"profile": f[:, :steps]}
        if "last" in self.used:
            found["last"] = x[:, -1:].expand(-1, steps)
        for name, length in (("naive", self.period), ("seasonal", self.super_period)):
            if name in self.used:
                copies = -(-steps // length)
                found[name] = x[:, -length:].repeat(1, copies)[:, :steps]
        base = None
        if self.ridge is not None:
            base = self.ridge(x, h, f)
            found["ridge"] = base[:, :steps]
        if self.network is not None:
            if self.base is None or self.base is not self.ridge:
                base = f if self.base is None else self.base(x, h, f)
            assert base is not None
            net, *quantiles = self._corrected(x, h, base, named)
            found["net"] = net[:, :steps]
            if self.levels and self.shared:
                spread = [quantiles[row] - net for row in self.own_rows]
                found["quantiles"] = torch.stack(spread, dim=1)[:, :, :steps]
        return found

    def _corrected(
        self, x: Tensor, h: Tensor, base: Tensor, named: Mapping[str, Tensor]
    ) -> list[Tensor]:
        """The network's forecast and quantiles, each ``(n, H)``, from its base forecast."""
        assert self.network is not None
        length = self.n_history * self.period
        beta = 1.0 if self.base is None else self.base.beta
        history = x[:, -length:] - beta * h[:, -length:]
        level = history.mean(dim=1, keepdim=True) if self.centred else torch.zeros_like(x[:, :1])
        e = (history - level).unflatten(1, (self.n_history, self.period))
        d = (base - level).unflatten(1, (self.n_future, self.period))
        empty = x.new_zeros(x.shape[0], 1, 0)
        calendar_e = named.get("calendar_history", empty.expand(-1, self.n_history, -1))
        calendar_d = named.get("calendar_future", empty.expand(-1, self.n_future, -1))
        out: Tensor = self.network(e, d, calendar_e, calendar_d)
        return [part.flatten(1) + level for part in out.chunk(self.network.outputs, dim=2)]

    def _strange(self, x: Tensor, missing: Tensor, point: Tensor) -> Tensor:
        """Where the profile is taken: as in `CyclicModel`."""
        last = x[:, -self.lookback :]
        bad = ~torch.isfinite(point).all(dim=1, keepdim=True)
        if np.isfinite(self.largest):
            size = torch.log(last.std(dim=1, keepdim=True, correction=0) + 1e-6)
            gone = missing[:, -self.lookback :].float().mean(dim=1, keepdim=True)
            bad = bad | (size > self.largest) | (gone > self.max_missing)
        return bad

    def _own_units(self, scaled: Tensor) -> Tensor:
        values = scaled * self.spread + self.centre
        return torch.expm1(values) if self.logarithm else values


class _Profile(nn.Module):
    """The running profile of a window: means over the last k cycles of each kind and slot."""

    def __init__(self, profile: RecentHistoricProfile) -> None:
        super().__init__()
        if profile.kind == "median":
            raise ValueError("The profile 'median' cannot be exported; fit with profile='rhp'")
        self.kind, self.rows, self.period = profile.kind, profile.rows, profile.period
        self.k = _memory(profile)
        self.half_life = profile.k

    def forward(
        self, x: Tensor, missing: Tensor, kind: Tensor, future: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The profile over the window ``(n, W)`` and over the horizon ``(n, H)``."""
        shape = (-1, self.period)
        if self.kind == "none":
            return torch.zeros_like(x), torch.zeros_like(future, dtype=x.dtype)
        values = torch.where(missing, 0.0, x).unflatten(1, shape)
        known = (~missing).unflatten(1, shape)
        rows = torch.arange(self.rows)[:, None, None]
        member = (kind.unflatten(1, shape)[:, None] == rows) & known[:, None]  # (n, R, N, P)
        mean, count = self._mean(values[:, None], member)
        if self.rows > 1:
            original, seen = mean, count
            for step in range(1, self.rows):
                other = torch.roll(original, step, dims=1)
                mean = torch.where(count > 0, mean, other)
                count = count + torch.roll(seen, step, dims=1)
        level = (values * known).sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp(min=1)
        table = torch.where(count > 0, mean, level[:, None, None]).flatten(1)
        slots = torch.arange(x.shape[1]) % self.period
        ahead = torch.arange(future.shape[1]) % self.period
        return (
            torch.gather(table, 1, kind * self.period + slots),
            torch.gather(table, 1, future * self.period + ahead),
        )

    def _mean(self, values: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
        ones = member.to(values.dtype)
        age = ones.sum(dim=2, keepdim=True) - ones.cumsum(dim=2)
        weight = ones * (age < self.k)
        if self.kind == "ewm":
            weight = weight * torch.exp2(-age / self.half_life)
        count = weight.sum(dim=2)
        return (weight * values).sum(dim=2) / torch.where(count > 0, count, 1.0), count


class _Ridge(nn.Module):
    level: Tensor
    left: Tensor
    right: Tensor

    def __init__(self, ridge: CycleRidge) -> None:
        super().__init__()
        self.lookback, self.beta = ridge.lookback, ridge.beta
        level, left, right = factors(ridge)
        self.narrow = 2 * (left.size + right.size) < ridge.weights.size
        parts = {"level": level[:, None], "left": left, "right": right}
        if not self.narrow:
            parts = {"left": ridge.weights}
        for name, array in parts.items():
            self.register_buffer(name, _tensor(array))

    def forward(self, x: Tensor, h: Tensor, f: Tensor) -> Tensor:
        x = x[:, -self.lookback :]
        if self.beta:
            x = x - self.beta * h[:, -self.lookback :]
        out = x @ self.left
        if self.narrow:
            out = out @ self.right + x @ self.level
        return out + self.beta * f if self.beta else out


class _Effect(nn.Module):
    centre: Tensor
    scale: Tensor
    knots: Tensor
    weights: Tensor

    def __init__(self, effect: Effect, series: int) -> None:
        super().__init__()
        self.blocks, self.period, self.count = effect.blocks, effect.period, len(effect.centre)
        for name in ("centre", "scale", "knots"):
            self.register_buffer(name, _tensor(getattr(effect, name)))
        weights = effect.weights[series].reshape(1 + effect.blocks, -1)
        self.register_buffer("weights", _tensor(weights[0] + weights[1:]))

    def forward(self, x: Tensor, slot: Tensor) -> Tensor:
        z = (x - self.centre) / self.scale
        above, below = (z - self.knots[1]).clamp(min=0), (self.knots[0] - z).clamp(min=0)
        basis = torch.cat([z, above, below], dim=2)
        slots = (slot[:, None] + torch.arange(x.shape[1])) % self.period
        own = self.weights[slots * self.blocks // self.period]
        found: Tensor = (basis * own).sum(dim=2)
        return found


class _Days(nn.Module):
    weights: Tensor

    def __init__(self, days: SpecialDays) -> None:
        super().__init__()
        self.register_buffer("weights", _tensor(days.weights))

    def forward(self, special: Tensor, slot: Tensor) -> Tensor:
        slots = (slot[:, None] + torch.arange(special.shape[1])) % self.weights.shape[1]
        found: Tensor = (special * self.weights.T[slots]).sum(dim=2)
        return found


def _memory(profile: RecentHistoricProfile) -> int:
    """Cycles that count."""
    return {"tenday": 10, "persistence": 1, "ewm": 6 * profile.k}.get(profile.kind, profile.k)


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).float()
