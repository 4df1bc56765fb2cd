"""The route from this machine to a cluster's Services, as `minikube tunnel` makes it, on macOS and on Linux.

minikube adds nothing where the very route is there already (pkg/minikube/tunnel: tunnel.go setupRoute, route_darwin.go
and route_linux.go EnsureRouteIsAdded), so a route that was made before it starts spares it sudo.
"""

from __future__ import annotations

import platform
import re
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network

from canarylab.errors import CanarylabError
from canarylab.tools import ip
from canarylab.tools.runner import Runner

_TIMEOUT = 10.0
_DARWIN = "Darwin"


@dataclass(frozen=True)
class Route:
    """Packets to `destination` go to `gateway`."""

    destination: str
    gateway: str

    def __str__(self) -> str:
        return f"{self.destination} -> {self.gateway}"


@dataclass(frozen=True)
class Way:
    """How a packet would leave this machine now. `gateway` is "" where its target is on the link itself."""

    gateway: str
    interface: str


def add_argv(route: Route) -> list[str]:
    """The command, for root, that adds the route on this system."""
    if platform.system() == _DARWIN:
        return ["route", "-n", "add", route.destination, route.gateway]
    return ["ip", "route", "add", route.destination, "via", route.gateway]


def delete_argv(route: Route) -> list[str]:
    """The command, for root, that deletes it."""
    if platform.system() == _DARWIN:
        return ["route", "-n", "delete", route.destination]
    return ["ip", "route", "delete", route.destination, "via", route.gateway]


def route_to(runner: Runner, destination: str) -> Route | None:
    """The route to exactly this range, whoever made it; None where there is none."""
    return next((route for route in _table(runner) if route.destination == destination), None)


def is_there(runner: Runner, route: Route) -> bool:
    """Whether packets to exactly this range go that way."""
    return route_to(runner, route.destination) == route


def way_to(runner: Runner, address: str) -> Way | None:
    """How a packet to `address` would leave this machine; None where there is no route."""
    if platform.system() == _DARWIN:
        output = runner.run(["route", "-n", "get", address], timeout=_TIMEOUT, ok=range(128)).stdout
        return parse_route_get(output)
    found = ip.route_to(runner, address)
    return Way(found.get("gateway", ""), found.get("dev", "")) if found else None


def require(runner: Runner, address: str, vm_address: str, restart: str) -> None:
    """Raise unless a packet to `address` would go to the machine at `vm_address`, and to that over no router.

    Without the route it would leave this machine by the default route, to whoever has that address there; `restart` is
    the command that puts the route back.
    """
    wanted = "" if address == vm_address else vm_address
    way, to_vm = way_to(runner, address), way_to(runner, vm_address)
    if way is None or way.gateway != wanted or to_vm is None or to_vm.gateway:
        seen = f"by {way.gateway or way.interface}" if way else "nowhere"
        raise CanarylabError(
            f"no request is sent to {address}: it would go {seen}, not into the virtual machine at {vm_address}",
            where=f"route to {address}",
            remedy=restart,
        )


@dataclass(frozen=True)
class TableEntry:
    """One line of macOS' routing table. `gateway` is an address, or the link itself, such as `link#5`."""

    network: IPv4Network
    gateway: str
    link: str

    def __str__(self) -> str:
        return f"{self.network} by {self.link} ({self.gateway})"


def parse_table(output: str) -> list[TableEntry]:
    """`netstat -nr -f inet` of macOS; older ones have two more columns. The default route is left out."""
    column, found = 3, []
    for line in output.splitlines():
        words = line.split()
        if "Netif" in words:
            column = words.index("Netif")
        elif len(words) > column and (found_network := network(words[0])):
            found.append(TableEntry(found_network, words[1], words[column]))
    return found


def parse_netstat(text: str) -> list[Route]:
    """The same, of the routes that lead to an address alone."""
    with_address = (entry for entry in parse_table(text) if re.fullmatch(r"[\d.]+", entry.gateway))
    return [Route(str(entry.network), entry.gateway) for entry in with_address]


def parse_route_get(text: str) -> Way | None:
    """What `route -n get ADDRESS` says on macOS; it names a gateway only where one is needed."""
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    if "interface" not in fields:
        return None
    needs_gateway = "GATEWAY" in fields.get("flags", "").strip("<>").split(",")
    return Way(fields.get("gateway", "") if needs_gateway else "", fields["interface"])


def _table(runner: Runner) -> list[Route]:
    if platform.system() == _DARWIN:
        return parse_netstat(runner.run(["netstat", "-nr", "-f", "inet"], timeout=_TIMEOUT, env={"LC_ALL": "C"}).stdout)
    routes = ip.query(runner, "-4", "route", "show")
    return [Route(found["dst"], found["gateway"]) for found in routes if "gateway" in found]


def network(destination: str) -> IPv4Network | None:
    """`10.9/24`, `192.168.105`, `127`: macOS leaves out zeros, and a length that follows from what is left.

    None for the default route.
    """
    address, _, length = destination.partition("%")[0].partition("/")
    parts = address.split(".")
    padded = ".".join([*parts, *["0"] * (4 - len(parts))])
    with suppress(ValueError):
        return IPv4Network(f"{padded}/{length or 8 * len(parts)}", strict=False)
    return None
