"""The tunnel's state in the profile's folder: the way to the Services that was chosen, and the keeper's report."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import TypeAdapter

from canarylab.files import write_private
from canarylab.providers.minikube.vm import Vm


@dataclass(frozen=True)
class _Saved:
    """What is written as JSON to one file of the profile's folder."""

    FILE: ClassVar[str]

    def save(self, folder: Path) -> None:
        """Write it to the profile's folder, in place of an older one."""
        write_private(folder / self.FILE, json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The newest; None where there is none."""
        file = folder / cls.FILE
        return TypeAdapter(cls).validate_json(file.read_bytes()) if file.exists() else None

    @classmethod
    def forget(cls, folder: Path) -> None:
        """Delete it from the profile's folder."""
        (folder / cls.FILE).unlink(missing_ok=True)


@dataclass(frozen=True)
class Choice(_Saved):
    """How the Services are reached, and why where that isn't by the tunnel. `vm` is the machine at that time."""

    FILE: ClassVar[str] = "tunnel.json"

    way: Literal["tunnel", "nodeport", "stopped"]
    vm: Vm
    why: str = ""


@dataclass(frozen=True)
class KeeperReport(_Saved):
    """What the keeper knows of minikube's tunnel: the process, its last words, and what is wrong."""

    FILE: ClassVar[str] = "tunnel-kept.json"

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

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The newest; an empty one where there is none."""
        return super().load(folder) or cls()
