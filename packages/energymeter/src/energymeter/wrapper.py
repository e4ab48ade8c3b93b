"""``energymeter run``: the application as it is, with an agent beside it.

Two modes. *supervise*: this process stays the parent, passes signals on and returns the
application's status. *exec*, the default under a launcher: this process registers itself with the
agent and becomes the application, so that the launcher sees what it started.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energymeter.client import AgentClient, Place, reap, register, start_or_join
from energymeter.config import MeterConfig
from energymeter.environment import Environment
from energymeter.errors import ConfigurationError
from energymeter.launcher import detect, run_identity, scheduler_metadata, visible_gpus
from energymeter.node import node_key
from energymeter.progress import Progress

__all__ = ["Launch", "command_of", "exit_status", "launch"]

FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGQUIT")
NOT_EXECUTABLE, NOT_FOUND = 126, 127
SI_KERNEL = 0x80
PROGRESS_EVERY, FOREVER = 1.0, 1e6  # s


@dataclass(frozen=True)
class Launch:
    """How a command is run and measured.

    Parameters
    ----------
    command : tuple of str
        As given to exec.
    out : Path
        Root of the run directories.
    mode : {"auto", "supervise", "exec"}
    linger : float
        Seconds that an agent waits for ranks that have not come yet.
    verbose : bool
        Tell on stderr what is measured, what is not, and where it is stored.
    progress : bool
        A line of status on stderr, each second; only if that is a terminal, and in supervise mode.
    """

    command: tuple[str, ...]
    label: str
    config: MeterConfig
    out: Path = Path("energymeter")
    run_id: str = ""
    mode: str = "auto"
    linger: float = 5.0
    verbose: bool = False
    progress: bool = False
    extra: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "supervise", "exec"):
            raise ConfigurationError(f"mode={self.mode!r}: use auto, supervise or exec")


def command_of(words: Sequence[str], module: bool = False) -> tuple[tuple[str, ...], str]:
    """The command to execute, and a label for it.

    ``script.py`` is run by the current interpreter; with `module`, the first word is a module.

    Raises
    ------
    ConfigurationError
        If there is nothing to run.
    """
    if not words:
        raise ConfigurationError("what is to be measured? energymeter run [OPTIONS] CMD [ARGS...]")
    first = words[0]
    if module:
        return (sys.executable, "-m", *words), first.replace(".", "_")
    if first.endswith(".py"):
        return (sys.executable, *words), Path(first).stem
    name = Path(first).name
    if name.startswith("python"):
        script = next((word for word in words[1:] if word.endswith(".py")), name)
        name = Path(script).stem
    return tuple(words), name


def missing_command(command: Sequence[str]) -> int | None:
    """126 or 127 if the command cannot be run, as a shell has it; else None."""
    program = command[0]
    if shutil.which(program) is None:
        return NOT_EXECUTABLE if Path(program).exists() else NOT_FOUND
    script = command[1] if program == sys.executable and len(command) > 1 else ""
    if script.endswith(".py") and not Path(script).exists():
        return NOT_FOUND
    return None


def exit_status(status: int) -> int:
    """A shell's exit status of a wait status: 128 + the signal, if one ended the process."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def launch(what: Launch) -> tuple[int, Path]:
    """Run a command under measurement. In exec mode this does not return.

    Returns
    -------
    (status, run_dir)

    Raises
    ------
    EnergymeterError
        Before the command has started, if it cannot be measured as asked.
    """
    job = detect(os.environ)
    supervise = what.mode == "supervise" or (what.mode == "auto" and not job.launcher)
    env = Environment()
    run_id = what.run_id or run_identity(os.environ, job)
    place = Place(what.out.resolve(), what.label, run_id, node_key(env), fresh=supervise)
    manifest = _manifest(what, env, job.launcher, job.size)
    linger = what.linger + what.config.baseline
    client, _ = start_or_join(place, what.config, manifest, linger)
    expected = 1 if supervise else job.local_size
    role = "wrapper" if supervise else "rank"
    if what.config.baseline and not supervise:
        time.sleep(what.config.baseline)  # the agent samples already
    reply = register(client, what.config, role=role, expected=expected, rank=job.rank)
    if what.verbose:
        _tell(reply)
    if what.config.baseline and supervise:
        time.sleep(what.config.baseline)
    environ = _application_environment(reply, place)
    if not supervise:
        client.close()
        _become(what.command, environ)
    status = _supervise(client, what.command, environ, what.progress and sys.stderr.isatty())
    reap()
    return status, Path(reply["run_dir"])


def _manifest(what: Launch, env: Environment, launcher: str, size: int) -> dict[str, Any]:
    return {
        "schema": "energymeter/1",
        "label": what.label,
        "command": list(what.command),
        "launcher": launcher,
        "ranks": size,
        "started": env.realtime_ns(),
        "config": what.config.to_dict(),
        "scheduler": scheduler_metadata(env.environ),
        **(what.extra or {}),
    }


def _application_environment(reply: Mapping[str, Any], place: Place) -> dict[str, str]:
    return {
        **os.environ,
        "ENERGYMETER_AGENT": place.address[1:],
        "ENERGYMETER_RUN_DIR": reply["run_dir"],
        "ENERGYMETER_NODE": reply["node"],
    }


def _tell(reply: Mapping[str, Any]) -> None:
    sys.stderr.write(f"energymeter: into {reply['run_dir']}, node {reply['node']}\n")
    measured = ", ".join(reply["measured"]) or "nothing: there will be an estimate"
    sys.stderr.write(f"energymeter: measured: {measured}\n")
    for entry in reply["unavailable"]:
        sys.stderr.write(f"energymeter: {entry['id']} is unavailable: {entry['reason']}\n")


def _become(command: Sequence[str], environ: dict[str, str]) -> None:
    """Replace this process by the application."""
    os.execvpe(command[0], list(command), environ)  # noqa: S606 - that is what a wrapper does


def _supervise(
    client: AgentClient, command: Sequence[str], environ: dict[str, str], progress: bool
) -> int:
    """Run the application as a child, pass signals on, and tell the agent when it has ended."""
    handled = {getattr(signal, name) for name in FORWARDED}
    handled = {n for n in handled if signal.getsignal(n) is not signal.SIG_IGN}
    # blocked here, and taken one by one: so none is lost, and the application keeps the defaults
    before = signal.pthread_sigmask(signal.SIG_BLOCK, handled | {signal.SIGCHLD})
    try:
        start = Environment().monotonic_ns()
        path = shutil.which(command[0]) or command[0]
        pid = os.posix_spawn(path, list(command), environ, setsigmask=before)
        with contextlib.suppress(ConnectionError):
            gpus = visible_gpus(environ)
            client.ask("register", pid=pid, role="rank", t=start, gpus=gpus)
        shown = Progress(client) if progress else None
        wait_status, cpu = _wait_and_forward(pid, handled | {signal.SIGCHLD}, shown)
        end = Environment().monotonic_ns()
        status = exit_status(wait_status)
        with contextlib.suppress(ConnectionError):  # an agent that died has left its journal
            client.ask("finish", pid=pid, t=end, status=status, cpu_s=cpu)
            client.ask("finish", pid=os.getpid(), wait=True)
        client.close()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return status


def _wait_and_forward(
    pid: int, handled: set[signal.Signals], progress: Progress | None
) -> tuple[int, float]:
    """The wait status, and the CPU-seconds of the process and of the children it waited for."""
    while True:
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            if progress is not None:
                progress.close()
            return status, used.ru_utime + used.ru_stime
        info = signal.sigtimedwait(handled, PROGRESS_EVERY if progress else FOREVER)
        if info is None:
            if progress is not None:
                progress()
            continue
        # what the terminal sends, it sends to the application as well
        if info.si_signo != signal.SIGCHLD and info.si_code != SI_KERNEL:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, info.si_signo)
