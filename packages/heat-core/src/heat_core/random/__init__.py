"""Random numbers that are the same on any number of ranks and with every split."""

from heat_core.random.generator import Generator, default_rng
from heat_core.random.methods import (
    function_of,
    get_state,
    rand,
    randint,
    randn,
    seed,
    set_state,
)

random = function_of("random", size="shape")
random_sample = ranf = sample = random
standard_normal = function_of("standard_normal", size="shape")
normal = function_of("normal", loc="mean", scale="std", size="shape")
random_integer = randint
bernoulli = function_of("bernoulli")
beta = function_of("beta")
binomial = function_of("binomial")
chisquare = function_of("chisquare")
choice = function_of("choice")
exponential = function_of("exponential")
gamma = function_of("gamma")
laplace = function_of("laplace")
lognormal = function_of("lognormal")
multinomial = function_of("multinomial")
multivariate_normal = function_of("multivariate_normal")
permutation = function_of("permutation")
poisson = function_of("poisson")
randperm = function_of("randperm")
shuffle = function_of("shuffle")
standard_exponential = function_of("standard_exponential")
standard_gamma = function_of("standard_gamma")
standard_t = function_of("standard_t")
truncated_normal = function_of("truncated_normal")
uniform = function_of("uniform")

__all__ = [
    "Generator",
    "bernoulli",
    "beta",
    "binomial",
    "chisquare",
    "choice",
    "default_rng",
    "exponential",
    "gamma",
    "get_state",
    "laplace",
    "lognormal",
    "multinomial",
    "multivariate_normal",
    "normal",
    "permutation",
    "poisson",
    "rand",
    "randint",
    "randn",
    "random",
    "random_integer",
    "random_sample",
    "randperm",
    "ranf",
    "sample",
    "seed",
    "set_state",
    "shuffle",
    "standard_exponential",
    "standard_gamma",
    "standard_normal",
    "standard_t",
    "truncated_normal",
    "uniform",
]
