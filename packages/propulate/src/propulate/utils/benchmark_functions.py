"""Test functions of global optimisation."""

from __future__ import annotations

import math
import string
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from propulate.space import Categorical, Float, Int, Parameter

__all__ = ["FUNCTIONS", "get_function_search_space", "toy_hpo", "with_delay", "zdt"]

Function = Callable[[Mapping[str, float]], float]
Vector = np.ndarray[tuple[int], np.dtype[np.float64]]


def _bukin(x: Vector) -> float:
    a, b = x
    return float(100 * math.sqrt(abs(b - 0.01 * a * a)) + 0.01 * abs(a + 10))


def _eggcrate(x: Vector) -> float:
    return float((x**2).sum() + 25 * (np.sin(x) ** 2).sum())


def _himmelblau(x: Vector) -> float:
    a, b = x
    return float((a * a + b - 11) ** 2 + (a + b * b - 7) ** 2)


def _keane(x: Vector) -> float:
    a, b = x
    norm = math.hypot(a, b)
    return 0.0 if norm == 0 else -((math.sin(a - b) * math.sin(a + b)) ** 2) / norm


def _leon(x: Vector) -> float:
    a, b = x
    return float(100 * (b - a**3) ** 2 + (1 - a) ** 2)


def _sphere(x: Vector) -> float:
    return float((x**2).sum())


def _rosenbrock(x: Vector) -> float:
    return float((100 * (x[:-1] ** 2 - x[1:]) ** 2 + (1 - x[:-1]) ** 2).sum())


def _step(x: Vector) -> float:
    return float(np.trunc(x).sum())


def _quartic(x: Vector) -> float:
    return float((np.arange(1, len(x) + 1) * x**4).sum())


def _rastrigin(x: Vector) -> float:
    return float(10 * len(x) + (x**2 - 10 * np.cos(2 * np.pi * x)).sum())


def _griewank(x: Vector) -> float:
    waves = np.cos(x / np.sqrt(np.arange(1, len(x) + 1))).prod()
    return float(1 + (x**2).sum() / 4000 - waves)


def _schwefel(x: Vector) -> float:
    return float(418.9828872724339 * len(x) - (x * np.sin(np.sqrt(np.abs(x)))).sum())


def _bisphere(x: Vector) -> float:
    n = len(x)
    s = 1 - math.sqrt(1 / (2 * math.sqrt(n + 20) - 8.2))
    first, second = 2.5, -math.sqrt((2.5**2 - 1) / s)
    return float(min(((x - first) ** 2).sum(), n + s * ((x - second) ** 2).sum()))


def _birastrigin(x: Vector) -> float:
    return _bisphere(x) + float(10 * (1 - np.cos(2 * np.pi * (x - 2.5))).sum())


def _ackley(x: Vector) -> float:
    near = -20 * math.exp(-0.2 * math.sqrt(float((x**2).mean())))
    return near - math.exp(float(np.cos(2 * np.pi * x).mean())) + 20 + math.e


def _levy(x: Vector) -> float:
    w = 1 + (x - 1) / 4
    middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
    last = (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return float(np.sin(np.pi * w[0]) ** 2 + middle + last)


# name: (formula, dimensions, bounds of each or of all, least value)
FUNCTIONS: dict[str, tuple[Callable[[Vector], float], int, tuple[tuple[float, float], ...], float]]
FUNCTIONS = {
    "bukin": (_bukin, 2, ((-15.0, -5.0), (-3.0, 3.0)), 0.0),
    "eggcrate": (_eggcrate, 2, ((-5.0, 5.0),), 0.0),
    "himmelblau": (_himmelblau, 2, ((-6.0, 6.0),), 0.0),
    "keane": (_keane, 2, ((0.0, 10.0),), -0.673667521146855),
    "leon": (_leon, 2, ((0.0, 10.0),), 0.0),
    "sphere": (_sphere, 2, ((-5.12, 5.12),), 0.0),
    "rosenbrock": (_rosenbrock, 2, ((-2.048, 2.048),), 0.0),
    "step": (_step, 5, ((-5.12, 5.12),), -25.0),
    "quartic": (_quartic, 30, ((-1.28, 1.28),), 0.0),
    "rastrigin": (_rastrigin, 20, ((-5.12, 5.12),), 0.0),
    "griewank": (_griewank, 10, ((-600.0, 600.0),), 0.0),
    "schwefel": (_schwefel, 10, ((-500.0, 500.0),), 0.0),
    "bisphere": (_bisphere, 30, ((-5.12, 5.12),), 0.0),
    "birastrigin": (_birastrigin, 30, ((-5.12, 5.12),), 0.0),
    "ackley": (_ackley, 10, ((-32.768, 32.768),), 0.0),
    "levy": (_levy, 10, ((-10.0, 10.0),), 0.0),
}


def _names(n: int) -> list[str]:
    letters = string.ascii_lowercase
    return [letters[i] if i < 26 else f"{letters[i // 26 - 1]}{letters[i % 26]}" for i in range(n)]


def get_function_search_space(
    name: str, n: int | None = None, seed: int = 0
) -> tuple[Function, dict[str, tuple[float, float]]]:
    """A test function and its limits.

    Parameters
    ----------
    name : str
        One of `FUNCTIONS`. ``quartic`` is noisy: the magnitude of the sum with a normal number
        added to each term; ``quartic_noisefree`` is the sum.
    n : int, optional
        Dimensions; default those of the literature. Two-dimensional formulas have only two.
    seed : int
        Of the noise.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    plain = name.removesuffix("_noisefree")
    if plain not in FUNCTIONS or plain not in {name, "quartic"}:
        known = ", ".join([*FUNCTIONS, "quartic_noisefree"])
        raise ValueError(f"unknown function {name!r}; there are {known}")
    formula, dimensions, bounds, _ = FUNCTIONS[plain]
    names = _names(n or dimensions)
    limits = dict(zip(names, bounds * (len(names) // len(bounds)), strict=True))
    rng = np.random.default_rng(seed)

    def values(params: Mapping[str, float]) -> Vector:
        return np.fromiter((params[key] for key in names), float, len(names))

    def function(params: Mapping[str, float]) -> float:
        return formula(values(params))

    def noisy(params: Mapping[str, float]) -> float:
        noise = rng.standard_normal(len(names)).sum()
        return abs(formula(values(params)) + float(noise))

    return (noisy if name == "quartic" else function), limits


def _of_any_size(name: str) -> Function:
    """A function by itself, of as many parameters as it is given, in their order."""
    formula, rng = FUNCTIONS[name][0], np.random.default_rng(0)

    def function(params: Mapping[str, float]) -> float:
        x = np.fromiter(params.values(), float)
        if name == "quartic":
            return abs(formula(x) + float(rng.standard_normal(len(x)).sum()))
        return formula(x)

    return function


# the original's names
bukin_n6, egg_crate = _of_any_size("bukin"), _of_any_size("eggcrate")
himmelblau, keane, leon = map(_of_any_size, ("himmelblau", "keane", "leon"))
sphere, rosenbrock, step = map(_of_any_size, ("sphere", "rosenbrock", "step"))
quartic, rastrigin, griewank = map(_of_any_size, ("quartic", "rastrigin", "griewank"))
schwefel, bisphere, birastrigin = map(_of_any_size, ("schwefel", "bisphere", "birastrigin"))


def toy_hpo() -> tuple[Function, dict[str, Parameter]]:
    """What a search of hyper-parameters looks like, without training: 0 at its best, and limits.

    Best are a rate of 0.01, three layers, "relu", and "sgd" with a momentum of 0.9.
    """
    limits: dict[str, Parameter] = {
        "rate": Float(1e-5, 1.0, log=True),
        "layers": Int(1, 8),
        "activation": Categorical(("relu", "tanh", "gelu")),
        "optimizer": Categorical(("sgd", "adam")),
        "momentum": Float(0.0, 0.99, when={"optimizer": "sgd"}),
    }
    penalties = {"relu": 0.0, "gelu": 0.05, "tanh": 0.2}

    def loss(params: Mapping[str, Any]) -> float:
        rate = math.log10(params["rate"]) + 2
        adam = params["optimizer"] == "adam"
        other = 0.1 if adam else 2 * (params["momentum"] - 0.9) ** 2
        depth = 0.03 * (params["layers"] - 3) ** 2
        return float(0.2 * rate**2 + depth + penalties[params["activation"]] + other)

    return loss, limits


def zdt(
    number: int, n: int = 30
) -> tuple[Callable[[Mapping[str, float]], tuple[float, float]], dict[str, tuple[float, float]]]:
    """Problem 1, 2 or 3 of two objectives, both to be minimised, and its limits.

    E. Zitzler, K. Deb and L. Thiele, Evol. Comput. 8 (2000) 173. All but the first parameter are 0
    on the front.
    """
    if number not in {1, 2, 3}:
        raise ValueError(f"there are problems 1, 2 and 3, not {number!r}")
    names = _names(n)

    def losses(params: Mapping[str, float]) -> tuple[float, float]:
        first, *others = (params[name] for name in names)
        g = 1 + 9 * sum(others) / (n - 1)
        share = first / g
        falling = share**2 if number == 2 else math.sqrt(share)
        waves = share * math.sin(10 * math.pi * first) if number == 3 else 0.0
        return first, g * (1 - falling - waves)

    return losses, dict.fromkeys(names, (0.0, 1.0))


def with_delay(
    function: Callable[[Any], Any], seconds: Callable[[], float]
) -> Callable[[Any], Any]:
    """The function, with evaluations that take a time; `seconds` is called for each."""

    def delayed(params: Any) -> Any:
        time.sleep(seconds())
        return function(params)

    return delayed
