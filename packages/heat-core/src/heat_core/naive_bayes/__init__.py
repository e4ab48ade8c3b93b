"""Classes by Bayes' rule."""

from heat_core.naive_bayes.gaussian import GaussianNB

__all__ = ["GaussianNB"]
