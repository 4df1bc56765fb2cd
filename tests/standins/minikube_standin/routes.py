"""The host's routing table as the tunnel changes it: by sudo and `ip` on Linux, by sudo and `route` on macOS."""

from __future__ import annotations

import ipaddress
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import faults
from .home import System


class RouteError(Exception):
    """What minikube writes behind `router:` in its status."""


@dataclass(frozen=True)
class Route:
    """From this host to a profile's Services, by way of its machine."""

    destination: str
    gateway: str

    def __str__(self) -> str:
        return f"{self.destination} -> {self.gateway}"

    @property
    def dns(self) -> str:
        """The tenth address, where kubeadm puts CoreDNS."""
        return str(ipaddress.ip_network(self.destination)[10])


def inspect(route: Route) -> tuple[bool, str]:
    """Whether it is there, and the line of another route to the same destination (route.go, Check)."""
    exists, conflict = False, ""
    for destination, gateway, line in _table():
        if destination == route.destination:
            exists = exists or gateway == route.gateway
            conflict = conflict if gateway == route.gateway else line
    if faults.on("tunnel-conflicting-route"):
        return False, f"{route.destination} via 192.168.105.99 dev bridge100"
    return exists, conflict


def add(route: Route) -> None:
    """Raises RouteError with what the program said, which minikube shows as it is."""
    if System.here().name == "darwin":
        _write_resolver_file(route)
        said = _run(["sudo", "route", "-n", "add", route.destination, route.gateway])
        if f"gateway {route.gateway}\n" not in said:
            raise RouteError(f"error adding Route: {said}, {len(said.splitlines()) + 1}")
        return
    said = _run(["sudo", "ip", "route", "add", route.destination, "via", route.gateway])
    if said:
        raise RouteError(f"error adding Route: {said}, {len(said.splitlines()) + 1}")


def remove(route: Route) -> None:
    """Raises RouteError where another route has taken its place, or it can't be deleted."""
    exists, conflict = inspect(route)
    if not exists:
        if conflict:
            raise RouteError(f"conflicting rule in routing table: {conflict}")
        return
    if System.here().name == "darwin":
        said = _run(["sudo", "route", "-n", "delete", route.destination])
        if not said.startswith("delete net"):
            raise RouteError(f"error deleting route: {said}, {len(said.splitlines()) + 1}")
        _run(["sudo", "rm", "-f", str(_resolver_file())])
        return
    said = _run(["sudo", "ip", "route", "delete", route.destination])
    if said:
        raise RouteError(f"error deleting Route: {said}, exit status 2")


def _table() -> list[tuple[str, str, str]]:
    """Destination, gateway and line of each route that has a gateway."""
    if System.here().name == "darwin":
        said = _run(["netstat", "-nr", "-f", "inet"])
        rows = [line.split() for line in said.splitlines()]
        return [(_padded(row[0]), row[1], " ".join(row)) for row in rows if len(row) > 2 and row[0][:1].isdigit()]
    found = re.findall(r"^((\S+) via (\S+).*)$", _run(["ip", "r"]), re.MULTILINE)
    return [(destination, gateway, line.strip()) for line, destination, gateway in found]


def _padded(short: str) -> str:
    """macOS leaves out zeros: `10.96/12` is 10.96.0.0/12."""
    address, _, length = short.partition("/")
    parts = address.split(".")
    return f"{'.'.join([*parts, *['0'] * (4 - len(parts))])}/{length or 8 * len(parts)}"


def _resolver_file() -> Path:
    return Path(os.environ.get("STANDIN_RESOLVER", "/etc/resolver")) / "cluster.local"


def _write_resolver_file(route: Route) -> None:
    """macOS asks the cluster's DNS for its domain (route_darwin.go): a file made by sudo mkdir and sudo cp."""
    target = _resolver_file()
    content = f"nameserver {route.dns}\nsearch_order 1\n"
    if target.exists() and target.read_text() == content:
        return
    _run(["sudo", "mkdir", "-p", str(target.parent)])
    with tempfile.NamedTemporaryFile("w", prefix="minikube-tunnel-resolver-") as file:
        file.write(content)
        file.flush()
        Path(file.name).chmod(0o644)
        said = _run(["sudo", "cp", file.name, str(target)])
    if said:
        raise RouteError(f"could not write /etc/resolver/{{cluster_domain}} file: {said}")


def _run(argv: list[str]) -> str:
    """Both streams, as minikube reads them."""
    try:
        done = subprocess.run(
            argv, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except FileNotFoundError:
        return f'exec: "{argv[0]}": executable file not found in $PATH'
    return done.stdout
