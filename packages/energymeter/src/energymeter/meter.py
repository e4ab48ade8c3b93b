"""`Meter`: measuring a part of a program from inside it."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from energymeter import live, recorder
from energymeter.client import AgentClient, Place, attach, reap, register, start_or_join
from energymeter.config import MeterConfig
from energymeter.environment import Environment
from energymeter.launcher import detect, run_identity, scheduler_metadata
from energymeter.node import node_key
from energymeter.settings import load_settings

if TYPE_CHECKING:
    from energymeter.analysis.summary import Result
    from energymeter.run import Run

__all__ = ["Meter"]

_blocks: Counter[str] = Counter()


class Meter:
    """Measures a ``with`` block; regions inside it are recorded.

    If ``energymeter run`` measures the program already, its agent is used, and the result is that
    of the block. Otherwise an agent is started; on several ranks of a node, by the first one.

    Parameters
    ----------
    label : str
        Name of the workload.
    out : str or Path
        Root of the run directories.
    period : float, optional
        s between readings.
    config : MeterConfig, optional
        All options; default: the settings of the environment and of configuration files.

    Attributes
    ----------
    result : Result
        After the block: totals, components, phases, regions.
    run : Run
        After the block: the stored run.

    Raises
    ------
    EnergymeterError
        On entering, if it cannot be measured as asked.

    Examples
    --------
    >>> with Meter(label="sum") as meter:  # doctest: +SKIP
    ...     sum(range(10**7))
    >>> print(meter.result.table())  # doctest: +SKIP
    """

    def __init__(
        self,
        label: str = "meter",
        *,
        out: str | Path = "energymeter",
        period: float | None = None,
        config: MeterConfig | None = None,
    ) -> None:
        self.label, self.out = label, Path(out)
        self.config = config or load_settings({"period": period}).meter
        self._client: AgentClient | None = None
        self._own = False
        self._before: Any = None
        self._window = [0, 0]

    def __enter__(self) -> Meter:
        env = Environment()
        self._client = attach(os.environ)
        if self._client is None:
            self._start(env)
        place = live.current_run()
        assert place is not None
        self.path, self.node = place.path, place.node
        self._client_of().ask("sample")
        self._window[0] = env.monotonic_ns()
        return self

    def _start(self, env: Environment) -> None:
        job = detect(os.environ)
        run_id = run_identity(os.environ, job)
        # on several ranks, the blocks of one program have names of their own, alike on all ranks
        _blocks[self.label] += 1
        if job.launcher and _blocks[self.label] > 1:
            run_id += f".{_blocks[self.label]}"
        place = Place(self.out.resolve(), self.label, run_id, node_key(env), not job.launcher)
        manifest = {
            "schema": "energymeter/1",
            "label": self.label,
            "command": [],
            "launcher": job.launcher,
            "ranks": job.size,
            "started": env.realtime_ns(),
            "config": self.config.to_dict(),
            "scheduler": scheduler_metadata(env.environ),
        }
        self._client, _ = start_or_join(place, self.config, manifest, linger=2.0)
        reply = register(
            self._client, self.config, role="rank", expected=job.local_size, rank=job.rank
        )
        self._own = True
        current = live.CurrentRun(Path(reply["run_dir"]), reply["node"])
        target = recorder.set_target((reply["run_dir"], reply["node"]))
        # regions of this run are none of an outer one's
        frame = recorder.open_frame.get()
        recorder.open_frame.set(None)
        self._before = (target, frame, live.use_agent(place.address, current))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        client = self._client_of()
        self._window[1] = Environment().monotonic_ns()
        with contextlib.suppress(ConnectionError):  # what was sampled is on disk
            client.ask("sample")
            if self._own:
                status = int(kind is not None)
                client.ask("finish", pid=os.getpid(), t=self._window[1], status=status, wait=True)
        client.close()
        self._client = None
        if self._own:
            target, frame, agent = self._before
            recorder.restore_target(target)
            recorder.open_frame.set(frame)
            live.use_agent(*agent)
            reap()

    def _client_of(self) -> AgentClient:
        if self._client is None:
            raise RuntimeError("use it in a with statement")
        return self._client

    @property
    def run(self) -> Run:
        """The stored run."""
        from energymeter.run import load

        return load(self.path)

    @property
    def result(self) -> Result:
        """What the block used on this node, from its start to its end.

        Raises
        ------
        RuntimeError
            Before the end of the block.
        """
        from dataclasses import replace

        from energymeter.analysis.summary import summarize

        start, stop = self._window
        if stop <= start:
            raise RuntimeError("there is a result after the end of the with block")
        run = self.run
        nodes = [node for node in run.nodes if node.key == self.node]
        result = summarize(nodes, run.processes, {self.node: (start, stop)})
        return replace(result, warnings=(*run.problems, *result.warnings))
