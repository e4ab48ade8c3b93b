"""Communicators of arrays."""

from heat_core.comm.communicator import Communicator, get_comm, sanitize_comm, use_comm

__all__ = ["Communicator", "get_comm", "sanitize_comm", "use_comm"]
