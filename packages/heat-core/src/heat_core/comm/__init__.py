"""Communicators of arrays."""

from heat_core.comm.communicator import Communicator, get_comm, sanitize_comm, use_comm
from heat_core.comm.defaults import lazy

__all__ = ["Communicator", "get_comm", "lazy", "sanitize_comm", "use_comm"]
