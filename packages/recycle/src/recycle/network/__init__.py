"""The learned heads: the residual cyclic transformer, a perceptron, and the paper's network."""

from recycle.network.config import NetworkConfig
from recycle.network.layers import ReCycleNet
from recycle.network.training import TrainedNetwork, train_network

__all__ = ["NetworkConfig", "ReCycleNet", "TrainedNetwork", "train_network"]
