"""Start of the agent: ``main(specification)`` in a fresh interpreter."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

from energymeter.agent.sampler import Sampler
from energymeter.agent.server import Server
from energymeter.agent.spool import SpooledJournal
from energymeter.agent.thinning import Thinning
from energymeter.backends.registry import discover, select
from energymeter.baseline import stored_baseline
from energymeter.config import MeterConfig
from energymeter.environment import Environment
from energymeter.errors import EnergymeterError
from energymeter.journal import JournalWriter
from energymeter.node import describe_node
from energymeter.sensors import Sensor, Unavailable

__all__ = ["main"]

SCHEMA = "energymeter/1"


def main(specification: str) -> int:
    """Measure until the run has ended.

    Parameters
    ----------
    specification : str
        JSON with node_dir, run_dir, node, run_id, label, config, listener (a descriptor), linger.
    """
    given = json.loads(specification)
    listener = socket.socket(fileno=given["listener"])
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
    env = Environment(os.environ)
    config = MeterConfig.from_dict(given["config"])
    try:
        server = _server(given, config, env, listener)
    except (EnergymeterError, OSError) as error:
        _refuse(listener, f"{error}")
        return 1
    server.run()
    return 0


def _server(
    given: dict[str, Any], config: MeterConfig, env: Environment, listener: socket.socket
) -> Server:
    probes = select(discover(config, env), config.include, config.exclude)
    sensors = [probe for probe in probes if isinstance(probe, Sensor)]
    unavailable = [probe.to_dict() for probe in probes if isinstance(probe, Unavailable)]
    description = describe_node(env, sensors, config.node_type)
    header = {
        "schema": SCHEMA,
        "run_id": given["run_id"],
        "label": given["label"],
        "node": given["node"],
        "sensors": [sensor.to_dict() for sensor in sensors],
        "unavailable": unavailable,
        "redirected": env.redirected,
        "description": description,
        "baseline": stored_baseline(description["node_type"], env),
        "config": config.to_dict(),
        "pid": os.getpid(),
    }
    path, spool = Path(given["node_dir"]) / "journal.emj", env.environ.get("ENERGYMETER_SPOOL")
    journal = SpooledJournal(spool, path, header) if spool else JournalWriter(path, header)
    thinning = Thinning(sensors, config.store, env.monotonic_ns(), journal.sample)
    sampler = Sampler(sensors, config, env, thinning.sample, int.from_bytes(os.urandom(4)) / 2**32)
    greeting = {"run_dir": given["run_dir"], "node": given["node"], "pid": os.getpid()}
    greeting["measured"] = sorted({s.component for s in sensors if _counts(s)})
    greeting["unavailable"] = unavailable
    labels = {"run": given["run_id"], "node": given["node"]}
    return Server(
        sampler,
        thinning,
        journal,
        listener,
        env,
        given["linger"],
        greeting,
        config.openmetrics,
        labels,
    )


def _counts(sensor: Sensor) -> bool:
    return sensor.is_energy and sensor.assigned and not sensor.cross_check


def _refuse(listener: socket.socket, message: str) -> None:
    """Tell whoever connects why there is no measurement, for a while."""
    listener.settimeout(2.0)
    try:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(1.0)
            connection.recv(65536)
            connection.sendall(json.dumps({"error": message}).encode() + b"\n")
    except OSError:
        logging.getLogger(__name__).exception(message)
