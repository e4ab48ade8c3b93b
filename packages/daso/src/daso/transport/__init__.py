"""What carries the exchanges: MPI, torch.distributed, threads; and slow links on top of them."""

from daso.group import Group, Pending
from daso.transport.base import Courier, Transport
from daso.transport.choice import make_transport
from daso.transport.throttle import Throttled

__all__ = ["Courier", "Group", "Pending", "Throttled", "Transport", "make_transport"]
