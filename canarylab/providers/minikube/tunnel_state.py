"""The tunnel's state in the profile's folder: the way to the Services that was chosen, and the keeper's report."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from canarylab.files import write_private
from canarylab.providers.minikube.vm import Vm

Way = Literal["tunnel", "nodeport", "stopped"]


@dataclass(frozen=True)
class Choice:
    """How the Services are reached, and why where that isn't by the tunnel. `vm` is the machine at that time."""

    way: Way
    vm: Vm
    why: str = ""

    def save(self, folder: Path) -> None:
        """Write it to the profile's folder, in place of an older one."""
        write_private(_choice(folder), json.dumps(dataclasses.asdict(self)))

    @staticmethod
    def load(folder: Path) -> Choice | None:
        """The choice in force; None where none was made."""
        found = _read(_choice(folder))
        return Choice(found["way"], Vm(**found["vm"]), found["why"]) if found else None

    @staticmethod
    def forget(folder: Path) -> None:
        """Delete it from the profile's folder."""
        _choice(folder).unlink(missing_ok=True)


@dataclass(frozen=True)
class KeeperReport:
    """What the keeper knows of minikube's tunnel: the process, its last words, and what is wrong."""

    pid: int | None = None
    started: str = ""
    """With `pid`, the identity of the process (`processes.Process.started`)."""
    route: str = ""
    """As minikube's status block has it; "" until there was one."""
    errors: dict[str, str] = field(default_factory=dict)
    code: int | None = None
    """The exit code of the last one that ended, None while it runs."""
    said: str = ""
    """The last words of one that ended."""
    problem: str = ""
    """What is wrong, in a line; "" while nothing is."""

    def save(self, folder: Path) -> None:
        """Write it to the profile's folder, in place of an older one."""
        write_private(_report(folder), json.dumps(dataclasses.asdict(self)))

    @staticmethod
    def load(folder: Path) -> KeeperReport:
        """The newest; an empty one where there is none."""
        found = _read(_report(folder))
        return KeeperReport(**found) if found else KeeperReport()

    @staticmethod
    def forget(folder: Path) -> None:
        """Delete it from the profile's folder."""
        _report(folder).unlink(missing_ok=True)


def _choice(folder: Path) -> Path:
    return folder / "tunnel.json"


def _report(folder: Path) -> Path:
    return folder / "tunnel-kept.json"


def _read(file: Path) -> dict[str, Any] | None:
    return dict(json.loads(file.read_text())) if file.exists() else None
