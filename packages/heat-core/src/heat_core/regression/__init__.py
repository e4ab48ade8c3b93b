"""Linear models of numbers, and of classes."""

from heat_core.regression.elastic_net import ElasticNet
from heat_core.regression.lasso import Lasso
from heat_core.regression.linear import LinearRegression, Ridge
from heat_core.regression.logistic import LogisticRegression

__all__ = ["ElasticNet", "Lasso", "LinearRegression", "LogisticRegression", "Ridge"]
