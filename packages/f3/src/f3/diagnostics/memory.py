"""Bytes of tensors that are alive at the same time."""

from __future__ import annotations

import functools
import weakref
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["LiveMemory"]


class LiveMemory(TorchDispatchMode):
    """Counts what is made inside the block and not yet freed, forward and backward.

    Attributes
    ----------
    live, peak : int
        Bytes now, and at most so far. Memory from before the block does not count.

    Examples
    --------
    >>> import torch
    >>> from f3.diagnostics import LiveMemory
    >>> with LiveMemory() as memory:
    ...     _ = (torch.zeros(1000) + 1).sum()
    >>> memory.peak  # zeros, and their sum with 1
    8000
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):  # made before the block, unless it is known
                self._note(leaf, counts=False)
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._note(leaf, counts=True)
        return result

    def _note(self, tensor: Tensor, *, counts: bool) -> None:
        storage = tensor.untyped_storage()
        key = id(storage)
        if key in self._known:
            return
        size = storage.nbytes() if counts else 0
        self.live += size
        self.peak = max(self.peak, self.live)
        self._known[key] = weakref.ref(storage, functools.partial(self._freed, key, size))

    def _freed(self, key: int, size: int, _: Any) -> None:
        self._known.pop(key, None)
        self.live -= size
