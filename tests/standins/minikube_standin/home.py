"""minikube's folder, laid out as the real one's: profiles/, machines/, config/, tunnels.json."""

from __future__ import annotations

import copy
import functools
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .machines import Machines, RealMachines

if TYPE_CHECKING:
    from .node import Node
    from .vm import Vm

VERSION = "v1.38.1"
_TEMPLATE = Path(__file__).with_name("profile.json")
"""A profile as a real minikube wrote it (recorded, Linux), emptied of what the flags of `start` say."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class System:
    """What minikube takes this machine for: $STANDIN_SYSTEM, such as darwin/arm64, else what it is."""

    name: str
    architecture: str

    @classmethod
    def here(cls) -> System:
        said = os.environ.get("STANDIN_SYSTEM")
        if said:
            name, _, architecture = said.partition("/")
            return cls(name, architecture)
        machine = platform.machine()
        return cls(platform.system().lower(), _ARCHITECTURES.get(machine, machine))

    def __str__(self) -> str:
        return f"{self.name}/{self.architecture}"

    @property
    def title(self) -> str:
        """As the first line of `start` has it: `Darwin 15.6.1 (arm64)`, `Debian 12.11 (docker/amd64)`."""
        if self.name == "darwin":
            return f"Darwin 15.6.1 ({self.architecture})"
        release = Path("/etc/os-release")
        named = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)', release.read_text(), re.M)) if release.exists() else {}
        return f"{named.get('ID', 'Linux').title()} {named.get('VERSION_ID', '')} (kvm/{self.architecture})"


@dataclass(frozen=True)
class Home:
    """The folder `.minikube`. `environment` is the user's, as it was before a node changed it."""

    root: Path
    machines: Machines = field(default_factory=RealMachines)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @classmethod
    def here(cls, machines: Machines | None = None) -> Home:
        """$MINIKUBE_HOME itself where it is called `.minikube`, else a folder of that name in it (localpath.go)."""
        said = Path(os.environ.get("MINIKUBE_HOME") or Path.home())
        return cls(said if said.name == ".minikube" else said / ".minikube", machines or RealMachines())

    @property
    def standin(self) -> Path:
        """What the real one doesn't have: the state of the embedded nodes."""
        return self.root / "standin"

    @property
    def tunnels(self) -> Path:
        return self.root / "tunnels.json"

    def profile(self, name: str) -> Path:
        return self.root / "profiles" / name

    def machine(self, name: str) -> Path:
        return self.root / "machines" / name

    def vm(self, profile: str) -> Vm:
        return self.machines.vm(self, profile)

    def node(self, profile: str) -> Node:
        return self.machines.node(self, profile)

    # -- profiles -----------------------------------------------------------------------------------------------------

    def load(self, name: str) -> dict[str, Any] | None:
        """A profile's configuration; None where there is none."""
        file = self.profile(name) / "config.json"
        return dict(json.loads(file.read_text())) if file.exists() else None

    def save(self, config: dict[str, Any]) -> None:
        folder = self.profile(config["Name"])
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / "config.json.tmp"
        temporary.write_text(json.dumps(config, indent="\t"))
        temporary.replace(folder / "config.json")

    def names(self) -> tuple[list[str], list[str]]:
        """Valid and invalid profiles: a folder without a configuration is what a dry run leaves (recorded)."""
        folder = self.root / "profiles"
        every = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.exists() else []
        return [name for name in every if self.load(name)], [name for name in every if not self.load(name)]

    # -- settings -----------------------------------------------------------------------------------------------------

    @property
    def settings_file(self) -> Path:
        return self.root / "config" / "config.json"

    def settings(self) -> dict[str, Any]:
        return dict(json.loads(self.settings_file.read_text())) if self.settings_file.exists() else {}

    def set(self, key: str, value: Any) -> None:
        """Set one setting; None unsets it."""
        settings = {**self.settings(), key: value}
        if value is None:
            del settings[key]
        self.settings_file.parent.mkdir(parents=True, exist_ok=True)
        self.settings_file.write_text(json.dumps(settings, indent=4))

    def active_profile(self) -> str:
        return str(os.environ.get("MINIKUBE_PROFILE") or self.settings().get("profile") or "minikube")


@functools.cache
def _template() -> dict[str, Any]:
    return dict(json.loads(_TEMPLATE.read_text()))


def new_profile() -> dict[str, Any]:
    return copy.deepcopy(_template())


def addon_names() -> list[str]:
    return list(_template()["Addons"])
