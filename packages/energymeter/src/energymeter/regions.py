"""Regions, phases, steps and marks: what an application tells about itself.

Without an agent all of this does nothing, in less than a microsecond.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Generator
from types import TracebackType
from typing import Any, Literal, TypeVar

from energymeter.recorder import Frame, Recorder, current_recorder, open_frame

__all__ = ["mark", "phase", "region"]

F = TypeVar("F", bound=Callable[..., Any])
ORDINARY_ENDS = (StopIteration, StopAsyncIteration, GeneratorExit)
Sync = Literal["auto"] | bool | Callable[[], object]


class region:  # noqa: N801 - it is used like a function, as contextlib's are
    """A named stretch of work: a context manager and a decorator.

    Nested regions make paths (``epoch/step``). Works in threads, tasks, generators and coroutines;
    exceptions pass through and are counted.

    Parameters
    ----------
    name : str, optional
        Default for a decorator: the function's qualified name. ``/`` is reserved for nesting.
    phase : str, optional
        Such as ``training`` or ``inference``; default: the enclosing region's.
    sync : {"auto"}, bool or callable
        Wait for the GPU at both ends: "auto" if torch is imported and uses one.
    precise : bool
        Let the agent read the sensors at both ends, about a tenth of a millisecond each.
    samples : int, optional
        Samples that one call processes.
    active_only : bool
        Of a generator, count only the time inside its body.

    Raises
    ------
    ValueError
        If the name contains ``/`` or is empty.

    Examples
    --------
    >>> with region("forward", phase="inference") as r:
    ...     r.step(samples=64)
    """

    __slots__ = ("_frame", "_name", "_options", "_phase", "_recorder", "_samples", "_span", "_sync")

    def __init__(
        self,
        name: str | None = None,
        *,
        phase: str | None = None,
        sync: Sync = "auto",
        precise: bool = False,
        samples: int | None = None,
        active_only: bool = False,
    ) -> None:
        if name is not None and (not name or "/" in name):
            raise ValueError(f"the name of a region, {name!r}, must not be empty or contain '/'")
        self._name, self._phase, self._samples = name, phase, samples
        self._sync = sync
        self._options = (precise, active_only)
        self._recorder: Recorder | None = None
        self._frame: Frame | None = None
        self._span: tuple[int, int] | None = None

    def __enter__(self) -> region:
        recorder = current_recorder()
        if recorder is None:
            return self
        if self._sync:
            _synchronize(self._sync)
        if self._options[0]:
            _sample_now()
        self._recorder = recorder
        self._frame = recorder.enter(self._name or "region", self._phase)
        open_frame.set(self._frame)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        frame, recorder = self._frame, self._recorder
        if frame is None or recorder is None:
            return
        if self._sync:
            _synchronize(self._sync)
        if self._samples is not None:
            recorder.step(frame, self._samples)
        recorder.exit(frame, kind is not None and not issubclass(kind, ORDINARY_ENDS))
        open_frame.set(frame.parent)
        if self._options[0]:
            _sample_now()

    def step(self, samples: int = 1) -> None:
        """Count a step, with the samples that it processed."""
        if self._recorder is not None and self._frame is not None:
            self._recorder.step(self._frame, samples)

    @property
    def energy(self) -> Any:
        """Energy of the node in this region, after its end; None without an agent."""
        if self._recorder is None or self._frame is None:
            return None
        from energymeter.live import region_energy

        return region_energy(self._recorder, self._frame)

    def __call__(self, function: F) -> F:
        """Decorate a function, generator function, coroutine function or async generator."""
        name = self._name or function.__qualname__.replace("<locals>.", "").replace("/", "_")

        def fresh() -> region:
            return region(
                name,
                phase=self._phase,
                sync=self._sync,
                precise=self._options[0],
                samples=self._samples,
            )

        active_only = self._options[1]
        if inspect.isasyncgenfunction(function):
            wrapped = _async_generator(function, fresh)
        elif inspect.iscoroutinefunction(function):
            wrapped = _coroutine(function, fresh)
        elif inspect.isgeneratorfunction(function):
            wrapped = _generator(function, fresh, active_only)
        else:
            wrapped = _plain(function, fresh)
        return functools.wraps(function)(wrapped)  # type: ignore[return-value]


def _plain(function: Callable[..., Any], fresh: Callable[[], region]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with fresh():
            return function(*args, **kwargs)

    return call


def _coroutine(function: Callable[..., Any], fresh: Callable[[], region]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        with fresh():
            return await function(*args, **kwargs)

    return call


def _generator(
    function: Callable[..., Any], fresh: Callable[[], region], active_only: bool
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        return _run(function(*args, **kwargs))

    def _run(body: Any) -> Generator[Any, Any, Any]:
        send, value = body.send, None
        with _Suspendable(fresh, active_only) as place:
            while True:
                try:
                    with place.inside():
                        item = send(value)
                except StopIteration as stop:
                    return stop.value
                try:
                    send, value = body.send, (yield item)
                except GeneratorExit:
                    body.close()
                    raise
                except BaseException as error:
                    send, value = body.throw, error

    return call


def _async_generator(
    function: Callable[..., Any], fresh: Callable[[], region]
) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        with _Suspendable(fresh, active_only=False) as place:
            body = function(*args, **kwargs)
            try:
                while True:
                    try:
                        with place.inside():
                            item = await anext(body)
                    except StopAsyncIteration:
                        return
                    yield item
            finally:
                await body.aclose()

    return call


class _Suspendable:
    """The region of a generator: open from first to last, but only current inside its body."""

    def __init__(self, fresh: Callable[[], region], active_only: bool) -> None:
        self.fresh, self.active_only = fresh, active_only
        self.region = fresh()

    def __enter__(self) -> _Suspendable:
        if not self.active_only:
            outer = open_frame.get()
            self.region.__enter__()
            open_frame.set(outer)
        return self

    def __exit__(self, *error: Any) -> None:
        if not self.active_only:
            outer = open_frame.get()
            self.region.__exit__(*error)
            open_frame.set(outer)

    def inside(self) -> region | _Current:
        return self.fresh() if self.active_only else _Current(self.region._frame)


class _Current:
    """Makes a frame the current one, for a while."""

    def __init__(self, frame: Frame | None) -> None:
        self.frame = frame

    def __enter__(self) -> None:
        self.outer = open_frame.get()
        if self.frame is not None:
            open_frame.set(self.frame)

    def __exit__(self, *_: object) -> None:
        open_frame.set(self.outer)


class phase(region):  # noqa: N801
    """A region that is a phase of the same name: ``with phase("inference"):``."""

    __slots__ = ()

    def __init__(self, name: str, *, sync: Sync = "auto", samples: int | None = None) -> None:
        super().__init__(name, phase=name, sync=sync, samples=samples)


def mark(name: str, value: float = 0.0) -> None:
    """Write a point event, such as the number of an epoch."""
    recorder = current_recorder()
    if recorder is not None:
        recorder.mark(name, value)


def _synchronize(sync: Sync) -> None:
    if callable(sync):
        sync()
        return
    torch = sys.modules.get("torch")
    if torch is None:
        return
    for name in ("cuda", "xpu"):
        device = getattr(torch, name, None)
        if device is not None and getattr(device, "is_initialized", lambda: False)():
            device.synchronize()


def _sample_now() -> None:
    from energymeter.live import sample_now

    sample_now()
