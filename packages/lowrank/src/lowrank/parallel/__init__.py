"""Ranks that train together: communicators, the account of what they send, averages."""

from lowrank.parallel.averaging import GradientAverager
from lowrank.parallel.communicators import Comm, TorchDistributed
from lowrank.parallel.ledger import Entry, Ledger
from lowrank.parallel.virtual import VirtualComm, run_virtual

__all__ = [
    "Comm",
    "Entry",
    "GradientAverager",
    "Ledger",
    "TorchDistributed",
    "VirtualComm",
    "run_virtual",
]
