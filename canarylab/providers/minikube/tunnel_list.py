"""minikube's list of tunnels, tunnels.json. It outlives tunnels that could not clean up.

minikube takes any running process with an entry's id for that tunnel (pkg/minikube/tunnel/process.go,
kubernetes/minikube#9188), and then refuses to start another: "another tunnel is already running".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canarylab.files import write_private
from canarylab.providers.minikube import vm
from canarylab.providers.minikube.routes import Route


@dataclass(frozen=True)
class Entry:
    """One tunnel as it entered itself."""

    machine: str
    pid: int
    route: Route


def path() -> Path:
    """Where minikube keeps it."""
    return vm.home() / "tunnels.json"


def entries() -> list[Entry]:
    """Those that can be read; none where the list is missing or being written."""
    return [entry for raw in _raw() if (entry := _entry(raw))]


def forget(gone: Collection[Entry]) -> None:
    """Take these entries out, and leave the rest as it is."""
    if gone:
        write_private(path(), json.dumps([raw for raw in _raw() if _entry(raw) not in gone]))


def _raw() -> list[Any]:
    try:
        found = json.loads(path().read_text() or "null")
    except (FileNotFoundError, ValueError):  # minikube truncates it before it writes
        return []
    return found if isinstance(found, list) else []


def _entry(raw: Any) -> Entry | None:
    try:
        destination = raw["Route"]["DestCIDR"]
        bits = sum(byte.bit_count() for byte in base64.b64decode(destination["Mask"]))
        route = Route(f"{destination['IP']}/{bits}", raw["Route"]["Gateway"])
        return Entry(raw["MachineName"], int(raw["Pid"]), route)
    except (KeyError, TypeError, ValueError):
        return None
