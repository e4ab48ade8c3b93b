"""Power and energy of chassis from a Redfish service; address and password come from the user only.

``ENERGYMETER_REDFISH_URL`` (``https://bmc.example.org``), ``ENERGYMETER_REDFISH_USER`` and
``ENERGYMETER_REDFISH_PASSWORD``. Certificates are verified.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from energymeter.environment import Environment
from energymeter.sensors import Kind, Probe, RawReading, Sensor, Status, Unavailable

__all__ = ["RedfishBackend"]

TIMEOUT = 2.0
MILLI = 1000
URL = "ENERGYMETER_REDFISH_URL"


class RedfishBackend:
    """One node sensor per chassis with power. Off unless asked for: ``--backends +redfish``."""

    name = "redfish"

    def discover(self, env: Environment) -> list[Probe]:
        """All chassis that report a power."""
        if not env.environ.get(URL):
            return [
                Unavailable("redfish", "node", "no address", f"set {URL}, ..._USER, ..._PASSWORD")
            ]
        found: list[Probe] = []
        try:
            members = _get("/redfish/v1/Chassis", env)["Members"]
            paths = [str(member["@odata.id"]) for member in members]
        except (OSError, ValueError, KeyError, TypeError) as error:
            return [Unavailable("redfish", "node", f"{env.environ[URL]}: {error}")]
        for path in paths:
            resource = next(
                (r for r in RESOURCES if _read(f"{path}/{r}", env)[0] is not None), None
            )
            if resource is not None:
                found.append(
                    Sensor(
                        f"redfish:{path.rpartition('/')[2]}",
                        "node",
                        Kind.POWER_INSTANT,
                        (1, MILLI),
                        update_period=1.0,
                        slow=True,
                        contains=("node/*",),
                        source=f"{path}/{resource}",
                    )
                )
        return found or [Unavailable("redfish", "node", "no chassis reports its power")]

    def open(self, sensors: Sequence[Sensor], env: Environment) -> _RedfishReader:
        """Open them."""
        return _RedfishReader([sensor.source for sensor in sensors], env)


RESOURCES = ("EnvironmentMetrics", "Power")


def _get(path: str, env: Environment) -> Any:
    """A resource. Raises OSError, ValueError."""
    from urllib.request import Request, urlopen

    base = env.environ[URL].rstrip("/")
    if not base.startswith(("https://", "http://")):
        raise ValueError(f"{URL} must start with https://")
    user = env.environ.get("ENERGYMETER_REDFISH_USER", "")
    password = env.environ.get("ENERGYMETER_REDFISH_PASSWORD", "")
    request = Request(base + path, headers={"Accept": "application/json"})  # noqa: S310 - checked
    if user:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - checked above
        return json.load(answer)


def _read(path: str, env: Environment) -> tuple[int | None, Status]:
    try:
        found = _get(path, env)
        if path.endswith("EnvironmentMetrics"):
            watts = found["PowerWatts"]["Reading"]
        else:
            watts = sum(part["PowerConsumedWatts"] for part in found["PowerControl"])
        return round(float(watts) * MILLI), Status.OK
    except TimeoutError:
        return None, Status.TIMEOUT
    except OSError as error:
        denied = getattr(error, "code", 0) in (401, 403)
        return None, Status.DENIED if denied else Status.MISSING
    except (ValueError, KeyError, TypeError):
        return None, Status.INVALID


class _RedfishReader:
    def __init__(self, paths: Sequence[str], env: Environment) -> None:
        self.paths, self.env = paths, env

    def read(self) -> list[RawReading]:
        """The powers now."""
        return [(*_read(path, self.env), 0) for path in self.paths]

    def close(self) -> None:
        """Nothing is kept open."""
