"""`minikube tunnel` (pkg/minikube/tunnel): a route to the Services, and their own address as LoadBalancer address.

SIGINT cleans up. SIGTERM, SIGHUP and SIGKILL end it as they end any program: route, registry entry and addresses stay.
"""

from __future__ import annotations

import base64
import fcntl
import ipaddress
import json
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from canarylab.errors import CanarylabError
from canarylab.kube.objects import load_balancer_address

from . import faults, reasons, routes
from .flags import Flag, Parsed
from .home import Home
from .loaded import healthy, host_state
from .output import Output, go_json
from .routes import Route, RouteError

FLAGS = {"cleanup": Flag("bool", "c"), "bind-address": Flag("untaught")}
_SECONDS = 5.0
_NONE = "no errors"


@dataclass
class Status:
    """What the block shows."""

    minikube: str = "Running"
    services: list[str] = field(default_factory=list)
    minikube_error: str = _NONE
    route_error: str = _NONE
    balancer_error: str = _NONE


class Registry:
    """tunnels.json: one for all profiles; its check of a process is that there is one of that number (mk#9188)."""

    def __init__(self, home: Home) -> None:
        self._file = home.tunnels

    def entries(self) -> list[dict[str, Any]]:
        content = self._file.read_text() if self._file.exists() else ""
        return list(json.loads(content) or []) if content else []

    def running(self, route: Route) -> dict[str, Any] | None:
        """The entry of this route whose process is there."""
        if faults.on("tunnel-registered"):
            return entry_of(route, "another", 1)
        wanted = entry_of(route, "", 0)["Route"]
        return next((entry for entry in self.entries() if entry["Route"] == wanted and _alive(entry["Pid"])), None)

    def register(self, route: Route, machine: str) -> None:
        self.remove(route)
        self._write([*self.entries(), entry_of(route, machine, os.getpid())])

    def remove(self, route: Route) -> None:
        wanted = entry_of(route, "", 0)["Route"]
        self._write([entry for entry in self.entries() if entry["Route"] != wanted])

    def _write(self, entries: list[dict[str, Any]]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.touch(0o600)
        self._file.write_text(go_json(entries))


def block(machine: str, pid: int, route: Route, status: Status) -> str:
    """What the tunnel prints of itself (recorded)."""
    return (
        f"Status:\t\n\tmachine: {machine}\n\tpid: {pid}\n\troute: {route}\n"
        f"\tminikube: {status.minikube}\n\tservices: [{', '.join(status.services)}]\n    errors: \n"
        f"\t\tminikube: {status.minikube_error}\n\t\trouter: {status.route_error}\n"
        f"\t\tloadbalancer emulator: {status.balancer_error}\n"
    )


def entry_of(route: Route, machine: str, pid: int) -> dict[str, Any]:
    """One of the registry, as Go writes it: the mask of a network is bytes, in base64."""
    network = ipaddress.ip_network(route.destination)
    mask = base64.b64encode(network.netmask.packed).decode()
    return {
        "Route": {
            "Gateway": route.gateway,
            "DestCIDR": {"IP": str(network.network_address), "Mask": mask},
            "ClusterDomain": "cluster.local",
            "ClusterDNSIP": route.dns,
        },
        "MachineName": machine,
        "Pid": pid,
    }


def _route_of(entry: dict[str, Any]) -> Route:
    network = entry["Route"]["DestCIDR"]
    mask = ipaddress.ip_address(base64.b64decode(network["Mask"]))
    return Route(str(ipaddress.ip_network(f"{network['IP']}/{mask}")), entry["Route"]["Gateway"])


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Tunnel:
    """The tunnel of one profile, in the foreground until it is interrupted or its machine is gone."""

    def __init__(self, home: Home, profile: str, route: Route) -> None:
        self._home = home
        self._profile = profile
        self._route = route
        self._registry = Registry(home)
        self._interrupted = threading.Event()
        self._last: Status | None = None

    def serve(self) -> int:
        signal.signal(signal.SIGINT, lambda *_: self._interrupted.set())
        seconds = float(os.environ.get("STANDIN_TUNNEL_SECONDS", _SECONDS))
        while not self._interrupted.wait(seconds):
            status = self._update()
            if status != self._last:
                self._report(status)
            self._last = status
            if status.minikube != "Running" or faults.on("tunnel-ends"):
                break
        self._clean_up()
        return 0

    def _update(self) -> Status:
        status = Status(minikube=host_state(self._home, self._profile) or "Unknown")
        if status.minikube != "Running":
            return status
        try:
            self._ensure_route()
        except RouteError as error:
            status.route_error = str(error)
            status.services = self._last.services if self._last else []
            return status
        try:
            status.services = self._set_addresses(True)
        except (CanarylabError, OSError) as error:
            status.balancer_error = str(error)
        return status

    def _ensure_route(self) -> None:
        """Add it where it is missing, take an orphaned one over (tunnel.go, setupRoute)."""
        exists, conflict = routes.inspect(self._route)
        if not exists and not conflict:
            routes.add(self._route)
            self._registry.register(self._route, self._profile)
        if conflict:
            raise RouteError(f"conflicting route: {conflict}")
        owner = self._registry.running(self._route)
        if owner is None:
            self._registry.register(self._route, self._profile)
        elif owner["Pid"] != os.getpid():
            raise RouteError(f"there is already a running tunnel for this machine: {_shown(owner)}")

    def _set_addresses(self, wanted: bool) -> list[str]:
        """Give LoadBalancer Services their own address, or take it back; their names, without namespaces."""
        if faults.on("apiserver-stopped"):
            server = f"https://{self._route.gateway}:8443/api/v1/services"
            raise OSError(f'Get "{server}": net/http: TLS handshake timeout')
        cluster = self._home.node(self._profile).cluster()
        names = []
        for service in cluster.list("v1", "Service"):
            meta, spec = service["metadata"], service["spec"]
            if spec.get("type") != "LoadBalancer":
                continue
            names.append(meta["name"])
            address = load_balancer_address(service)
            balancer = {"ingress": [{"ip": spec["clusterIP"]}]} if wanted else None
            if (wanted and address != spec["clusterIP"]) or (not wanted and address):
                body = {"status": {"loadBalancer": balancer}}
                cluster.patch("v1", "Service", meta["name"], body, meta["namespace"], subresource="status")
        return names

    def _clean_up(self) -> None:
        with suppress(RouteError):
            routes.remove(self._route)
            self._registry.remove(self._route)
        if host_state(self._home, self._profile) == "Running":
            with suppress(CanarylabError, OSError):
                self._set_addresses(False)

    def _report(self, status: Status) -> None:
        sys.stdout.write(block(self._profile, os.getpid(), self._route, status))
        sys.stdout.flush()


def run(home: Home, profile: str, flags: Parsed) -> int:
    out = Output(as_json=False)
    config = healthy(home, profile, out)
    if config["Driver"] == "qemu2" and config["Network"] in ("builtin", "user"):
        out.exit(reasons.UNIMPLEMENTED, "minikube tunnel is not currently implemented with the builtin network on QEMU")
    lock = (home.profile(profile) / ".tunnel_lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_locked = faults.on("tunnel-already-running")
    except BlockingIOError:
        is_locked = True
    if is_locked:
        out.exit(
            reasons.TUNNEL_ALREADY_RUNNING,
            "Another tunnel process is already running, terminate the existing instance to start a new one",
        )
    route = Route(config["KubernetesConfig"]["ServiceCIDR"], config["Nodes"][0]["IP"])
    registry = Registry(home)
    if flags.on("cleanup", default=True):
        _clean_up_dead(registry)
    if owner := registry.running(route):
        message = f"another tunnel is already running, shut it down first: {_shown(owner)}"
        out.exit(reasons.TUNNEL_START, f"error starting tunnel: error creating tunnel: {message}", box=True)
    with lock:
        return Tunnel(home, profile, route).serve()


def _clean_up_dead(registry: Registry) -> None:
    """Routes of tunnels whose process is gone; --cleanup is on unless it is switched off (tunnel.go)."""
    for entry in registry.entries():
        if not _alive(entry["Pid"]):
            with suppress(RouteError):
                routes.remove(_route_of(entry))
                registry.remove(_route_of(entry))


def _shown(entry: dict[str, Any]) -> str:
    return f"ID {{ Route: {_route_of(entry)}, machineName: {entry['MachineName']}, Pid: {entry['Pid']} }}"
