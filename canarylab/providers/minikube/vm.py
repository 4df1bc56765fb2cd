"""The virtual machine of a profile as minikube wrote it down: read from its file, since asking minikube takes long."""

from __future__ import annotations

import ipaddress
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canarylab.providers.minikube.routes import Route

_BUILTIN = ("builtin", "user")
_CONTAINERS = ("docker", "podman")


@dataclass(frozen=True)
class Vm:
    """What the tunnel has to know of a profile."""

    profile: str
    driver: str
    network: str
    address: str
    services: str
    """The range of the Services, such as 10.96.0.0/12."""
    domain: str

    @property
    def route(self) -> Route:
        """The route that the tunnel needs: to the Services through the machine."""
        return Route(self.services, self.address)

    @property
    def dns(self) -> str:
        """The address of the cluster's DNS: by custom the tenth of the range (minikube: util.GetDNSIP)."""
        return str(ipaddress.ip_network(self.services)[10])

    @property
    def has_builtin_network(self) -> bool:
        """Whether qemu's own network keeps it apart from this machine: minikube refuses a tunnel there."""
        return self.driver.startswith("qemu") and self.network in _BUILTIN

    @property
    def is_hidden(self) -> bool:
        """Whether it runs inside somebody else's virtual machine, such as Docker Desktop's, out of reach from here."""
        return self.driver in _CONTAINERS and platform.system() == "Darwin"


def home() -> Path:
    """minikube's folder. `MINIKUBE_HOME` names it, or the folder above it (minikube: localpath.MiniPath)."""
    named = os.environ.get("MINIKUBE_HOME")
    if not named:
        return Path.home() / ".minikube"
    inside = Path(named) / ".minikube"
    return inside if Path(named).name != ".minikube" and inside.is_dir() else Path(named)


def find(profile: str) -> Vm | None:
    """The machine of a profile; None where it was never started, or not far enough to have an address."""
    return _read(home() / "profiles" / profile / "config.json", profile)


def by_address(address: str) -> Vm | None:
    """The machine, of whichever profile, that has this address."""
    found = (_read(file, file.parent.name) for file in sorted((home() / "profiles").glob("*/config.json")))
    return next((vm for vm in found if vm and vm.address == address), None)


def _read(file: Path, profile: str) -> Vm | None:
    try:
        config: dict[str, Any] = json.loads(file.read_text())
        kubernetes = config["KubernetesConfig"]
        node = next(node for node in config["Nodes"] if node["ControlPlane"])
        vm = Vm(
            profile=profile,
            driver=config["Driver"],
            network=config.get("Network", ""),
            address=str(ipaddress.ip_address(node["IP"])),
            services=str(ipaddress.ip_network(kubernetes["ServiceCIDR"], strict=False)),
            domain=kubernetes.get("DNSDomain") or "cluster.local",
        )
    except (OSError, ValueError, KeyError, TypeError, StopIteration):  # half-made, or a dry run's
        return None
    return vm
