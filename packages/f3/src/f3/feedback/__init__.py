"""Feedback: fixed random matrices that carry errors to the hidden blocks."""

from f3.feedback.initialisers import (
    INITIALISERS,
    Initialiser,
    alternate_negative,
    binomial,
    cartesian_product,
    chunked_negative,
    constant,
    discrete_uniform,
    identity_fill_zero,
    identity_repeat,
    identity_repeat_pm,
    kaiming_uniform,
    kaiming_uniform_repeat_line,
    normal,
    orthogonal,
    rademacher,
    trinomial,
)
from f3.feedback.projections import Projection
from f3.feedback.recipes import Dense, Feedback, PerChannel, PerToken, Seeded, Shared, as_feedback
from f3.feedback.signs import single_signed_share

__all__ = [
    "INITIALISERS",
    "Dense",
    "Feedback",
    "Initialiser",
    "PerChannel",
    "PerToken",
    "Projection",
    "Seeded",
    "Shared",
    "alternate_negative",
    "as_feedback",
    "binomial",
    "cartesian_product",
    "chunked_negative",
    "constant",
    "discrete_uniform",
    "identity_fill_zero",
    "identity_repeat",
    "identity_repeat_pm",
    "kaiming_uniform",
    "kaiming_uniform_repeat_line",
    "normal",
    "orthogonal",
    "rademacher",
    "single_signed_share",
    "trinomial",
]
