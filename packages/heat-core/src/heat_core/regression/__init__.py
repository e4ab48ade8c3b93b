"""Linear models of numbers."""

from heat_core.regression.lasso import Lasso
from heat_core.regression.linear import LinearRegression, Ridge

__all__ = ["Lasso", "LinearRegression", "Ridge"]
