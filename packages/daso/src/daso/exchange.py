"""What the nodes say to each other in one synchronisation, whatever carries it.

An exchange is a generator: it starts operations, yields what it waits for, and returns its result.
So the same code runs in a thread, piecemeal between two layers, or for all nodes of a simulation in
one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import torch
from torch import Tensor

from daso.codec import Codec, bucket_slices
from daso.errors import DesyncError, NonFiniteError, UnevenStepsError
from daso.group import Exchange, Group, Pending

__all__ = [
    "CompressedMean",
    "Header",
    "Received",
    "check_headers",
    "exchange_headers",
    "synchronise",
]

VERSION = 1
#: kinds of headers
SYNC, BLOCKING, CONSENSUS = 1, 2, 3


@dataclass(frozen=True)
class Header:
    """64 bytes that precede each exchange: where a node stands, and what it is about to send.

    Attributes
    ----------
    kind : int
        `SYNC`, `BLOCKING` or `CONSENSUS`.
    step, number : int
        Of the optimiser, and of synchronisations.
    schedule, layout : int
        Fingerprints.
    weight : float
        Of this node in the mean; 0 if its numbers are not finite.
    step_s, sync_s : float
        Seconds of a step and of a synchronisation, as measured there.
    stop : bool
        Whether someone there wants all nodes to stop.
    """

    kind: int
    step: int
    number: int
    schedule: int
    layout: int
    weight: float = 1.0
    step_s: float = 0.0
    sync_s: float = 0.0
    stop: bool = False

    def tensor(self) -> Tensor:
        """As it is sent; all integers are below 2**53."""
        *values, stop = astuple(self)
        values[0] += 256 * VERSION + 16 * stop
        return torch.tensor(values, dtype=torch.float64)

    @classmethod
    def from_tensor(cls, row: Tensor) -> Header:
        """As it was sent.

        Raises
        ------
        DesyncError
            If the sender speaks another version.
        """
        values = row.tolist()
        version, kind = divmod(int(values[0]), 256)
        if version != VERSION:
            raise DesyncError(
                f"a node speaks version {version} of the protocol, this one {VERSION}"
            )
        stop, kind = divmod(kind, 16)
        step, number, schedule, layout = (int(value) for value in values[1:5])
        weight, step_s, sync_s = values[5:]
        return cls(kind, step, number, schedule, layout, weight, step_s, sync_s, stop=bool(stop))


def exchange_headers(group: Group, header: Header) -> Exchange[list[Header]]:
    """The headers of all nodes."""
    own = header.tensor()
    table = own.new_empty(group.size, len(own))
    yield group.allgather(table, own)
    return [Header.from_tensor(row) for row in table]


def check_headers(headers: Sequence[Header], own: Header) -> None:
    """Raise unless all nodes are about to do the same.

    Raises
    ------
    UnevenStepsError
        If some have finished, and others have not.
    DesyncError
        If they are at different steps or have different settings.
    """
    kinds = {header.kind for header in headers}
    if CONSENSUS in kinds and len(kinds) > 1:
        early = [node for node, header in enumerate(headers) if header.kind == CONSENSUS]
        raise UnevenStepsError(
            f"nodes {early} have finished or begun a blocking phase, while others are at step "
            f"{max(h.step for h in headers)}: give all ranks the same number of batches "
            "(opt.agree_steps(len(loader))), or set uneven='stop'"
        )
    for name, remedy in (
        ("step", "all ranks must make the same number of steps: see opt.agree_steps"),
        ("kind", "all ranks must be in the same phase: call epoch_end on all of them"),
        ("number", "all ranks must load the same checkpoint"),
        ("layout", "all ranks must train the same parameters"),
        ("schedule", "all ranks must report the same metrics and load the same checkpoint"),
    ):
        values = [getattr(header, name) for header in headers]
        if any(value != getattr(own, name) for value in values):
            table = ", ".join(f"node {node}: {value}" for node, value in enumerate(values))
            raise DesyncError(f"the nodes differ in their {name} ({table}); {remedy}")


@dataclass(frozen=True)
class Received:
    """What an exchange has brought.

    Attributes
    ----------
    change : (m,) tensor
        The mean of the differences.
    headers : tuple of Header
        Of all nodes.
    wire_bytes : int
        Bytes of payload that this rank has sent.
    """

    change: Tensor
    headers: tuple[Header, ...]
    wire_bytes: int


def synchronise(
    group: Group, header: Header, mean: CompressedMean, difference: Tensor, key: int, policy: str
) -> Exchange[Received]:
    """Average a difference over the nodes.

    Parameters
    ----------
    group : Group
        One rank of each node.
    header : Header
    mean : CompressedMean
    difference : (m,) tensor
        Overwritten.
    key : int
        Which fragment it is.
    policy : {"raise", "skip_node", "ignore"}
        What to do if a node's weight is 0.
    """
    headers = yield from exchange_headers(group, header)
    check_headers(headers, header)
    weights = [other.weight for other in headers]
    lost = [node for node, weight in enumerate(weights) if weight == 0]
    if lost and (policy == "raise" or len(lost) == len(weights)):
        raise NonFiniteError(
            f"the parameters of nodes {lost} are not finite at step {header.step}: lower the "
            "learning rate or clip gradients; nonfinite='skip_node' heals single nodes"
        )
    change, wire_bytes = yield from mean.run(group, difference, weights, key)
    return Received(change, tuple(headers), wire_bytes)


class CompressedMean:
    """The weighted mean of one vector of each rank, in the bytes of a codec.

    Numbers are rounded twice on their way, by their sender and by the owner of the slice in which
    they are summed; sums have full precision. What is rounded away is added to the next vector of
    the same key (error feedback). The result is the same on all ranks to the last bit.

    Parameters
    ----------
    codec : Codec
    bucket : int
        Numbers in one message.
    error_feedback : bool
    """

    def __init__(self, codec: Codec, bucket: int, *, error_feedback: bool = True) -> None:
        self.codec, self.bucket, self.error_feedback = codec, bucket, error_feedback
        self.residuals: dict[str, Tensor] = {}

    def reset(self) -> None:
        """Forget what was rounded away."""
        self.residuals.clear()

    def run(
        self, group: Group, x: Tensor, weights: Sequence[float], key: int
    ) -> Exchange[tuple[Tensor, int]]:
        """The mean, shape (m,), and the bytes that this rank sends.

        Parameters
        ----------
        group : Group
        x : (m,) tensor
            Overwritten.
        weights : sequence of float
            Of all ranks.
        key : int
            Vectors of equal key share residuals.
        """
        slices = bucket_slices(x.numel(), self.bucket)
        if self.codec.is_exact(x.dtype):
            x.mul_(weights[group.rank] / sum(weights))
            yield from [group.allreduce(x[part]) for part in slices]
            # a ring or a recursive halving sends this much
            return x, 2 * (group.size - 1) * x.nbytes // group.size
        rounds = [_Bucket(self, group, x[part], weights, (key, i)) for i, part in enumerate(slices)]
        started = [each.scatter() for each in rounds]
        for i, each in enumerate(rounds):
            yield started[i]
            started[i] = each.reduce()
        for i, each in enumerate(rounds):
            yield started[i]
            each.finish()
        return x, sum(each.wire_bytes for each in rounds)

    def residual(self, name: str, like: Tensor) -> Tensor:
        """What was rounded away under this name; zeros at first."""
        if name not in self.residuals:
            self.residuals[name] = torch.zeros_like(like)
        return self.residuals[name]


class _Bucket:
    """The way of one message: slices to their owners, sums, and back to all."""

    def __init__(
        self,
        mean: CompressedMean,
        group: Group,
        x: Tensor,
        weights: Sequence[float],
        key: tuple[int, int],
    ) -> None:
        self.mean, self.group, self.x, self.weights, self.key = mean, group, x, weights, key
        self.m = -(-x.numel() // group.size)  # numbers in a slice
        shape = (group.size, mean.codec.nbytes(self.m))
        self.wire = torch.empty(shape, dtype=torch.uint8, device=x.device)
        self.wire_bytes = 2 * (group.size - 1) * shape[1]

    def _name(self, what: str) -> str:
        return f"{what} {self.key[0]} {self.key[1]}"

    def scatter(self) -> Pending:
        """Encode, and send each slice to its owner."""
        codec, x = self.mean.codec, self.x
        takes_part = self.weights[self.group.rank] > 0
        feedback = self.mean.error_feedback and takes_part
        if feedback:
            x.add_(self.mean.residual(self._name("sent"), x))
        if not takes_part:
            x.zero_()
        rows = torch.nn.functional.pad(x, (0, self.m * self.group.size - x.numel()))
        sent = codec.encode(rows.view(self.group.size, self.m))
        if feedback:
            decoded = codec.decode(sent, self.m, x.dtype).view(-1)[: x.numel()]
            torch.sub(x, decoded, out=self.mean.residual(self._name("sent"), x))
        return self.group.alltoall(self.wire, sent)

    def reduce(self) -> Pending:
        """Average the own slice, and send it to all."""
        codec, dtype = self.mean.codec, self.x.dtype
        rows = codec.decode(self.wire, self.m, dtype)
        weights = torch.tensor(self.weights, dtype=dtype, device=rows.device)
        own = (weights / weights.sum()) @ rows
        if self.mean.error_feedback:
            residual = self.mean.residual(self._name("summed"), own)
            own.add_(residual)
        sent = codec.encode(own[None])
        if self.mean.error_feedback:
            torch.sub(own, codec.decode(sent, self.m, dtype)[0], out=residual)
        return self.group.allgather(self.wire, sent[0])

    def finish(self) -> None:
        """Decode the means of all slices."""
        decoded = self.mean.codec.decode(self.wire, self.m, self.x.dtype)
        self.x.copy_(decoded.reshape(-1)[: self.x.numel()])
