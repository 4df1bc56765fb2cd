"""Whether a load balancer's address leads anywhere from this machine, with patience where it will; if not, why."""

from __future__ import annotations

import dataclasses
import ipaddress
import platform
import socket
import time
from typing import TYPE_CHECKING, Any

from canarylab.errors import ExpectationError
from canarylab.kube.objects import Object, condition, is_terminating, listed, load_balancer_address, pod_trouble
from canarylab.kube.times import epoch
from canarylab.kube.watch import Watch
from canarylab.providers.existing.balancer import (
    Trouble,
    describe,
    full_name,
    made_of,
    node_addresses,
    pending,
)
from canarylab.rollouts.routes.backends import pods_behind

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster

_NAME_PATIENCE = 300.0
"""Seconds until a cloud's DNS knows a new load balancer, as a rule (cilium/cilium-cli#588)."""
_ANSWER_PATIENCE = 60.0
"""Seconds until a load balancer that has an address serves it."""
_CONNECT_SECONDS = 3.0
_NEVER = ".invalid"
"""No such name is ever resolvable (RFC 6761, 6.4)."""


def await_answer(ctx: Context, service: dict[str, Any], port: int) -> tuple[str, int]:
    """Where the port of the Service answers, from this machine.

    Raises ExpectationError with what was found, at once where waiting can't help.
    """
    namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
    live, trouble, said = service, None, ""

    def look() -> str | None:
        nonlocal live, trouble, said
        live = ctx.cluster.get("v1", "Service", name, namespace) or service
        trouble = _trouble(ctx.cluster, live, port)
        if trouble is None or trouble.is_final:
            return None
        if trouble.what != said:
            ctx.progress(f"waiting: {trouble.what}")
            said = trouble.what
        return trouble.what

    ctx.cluster.wait((Watch("v1", "Service", namespace),), look, deadline=ctx.deadline, cancel=ctx.cancel)
    if trouble is not None:
        where = f"Service {full_name(live)}"
        raise ExpectationError(trouble.what, where=where, why=trouble.why, remedy=trouble.remedy)
    return str(load_balancer_address(live)), port


def _trouble(cluster: Cluster, service: Object, port: int) -> Trouble | None:
    address = load_balancer_address(service)
    if address is None:
        return pending(cluster, service)
    return unresolved(service) or _nowhere(cluster, service, address, port)


def unresolved(service: Object) -> Trouble | None:
    """That the Service's address is a name which this machine can't resolve; None for any other address."""
    name = load_balancer_address(service)
    if name is None or _as_ip(name):
        return None
    try:
        socket.getaddrinfo(name, None)
    except OSError as error:
        if name.rstrip(".").endswith(_NEVER):
            why = f"{error.strerror}: names that end in {_NEVER} never are"
            remedy = f"see who wrote it into the Service's status: {describe(service)}"
            return Trouble(_unresolved(name, service), why, remedy, permanent=True)
        why = (
            f"{error.strerror}: a cloud writes a load balancer's name before DNS knows it, which takes minutes; and a "
            "resolver may remember for a while that there was none"
        )
        remedy = f"wait, and run the command again; `nslookup {name}` shows when it is there"
        return Trouble(_unresolved(name, service), why, remedy, _status_since(service) + _NAME_PATIENCE)
    return None


def _unresolved(name: str, service: Object) -> str:
    return f"{name}, the address of Service {full_name(service)}, isn't resolvable on this machine"


def _nowhere(cluster: Cluster, service: Object, address: str, port: int) -> Trouble | None:
    try:
        socket.create_connection((address, port), _CONNECT_SECONDS).close()
    except TimeoutError:
        said = f"no answer in {_CONNECT_SECONDS:g} s"
    except OSError as error:
        said = error.strerror or str(error)
    else:
        return None
    what = f"nothing answers at {address}:{port}, the address of Service {full_name(service)} ({said})"
    found = _within(cluster, service, port, what) or _between(cluster, service, address, port, what)
    return dataclasses.replace(found, until=_status_since(service) + _ANSWER_PATIENCE)


def _within(cluster: Cluster, service: Object, port: int, what: str) -> Trouble | None:
    """What in the cluster keeps it from answering."""
    ports = [int(each["port"]) for each in listed(service, "spec", "ports")]
    if port not in ports:
        why = f"the Service has no port {port}, but {', '.join(map(str, ports)) or 'none at all'}"
        return Trouble(what, why, "correct the port in the step, or in the Service", permanent=True)
    pods = [pod for pod in pods_behind(cluster, service) if not is_terminating(pod)]
    if any(condition(pod, "Ready").get("status") == "True" for pod in pods):
        return None
    trouble = next(filter(None, map(pod_trouble, pods)), "") or ("none is ready" if pods else "its selector finds none")
    selector = ",".join(f"{key}={value}" for key, value in (service["spec"].get("selector") or {}).items())
    remedy = f"`kubectl -n {service['metadata']['namespace']} get pods -l {selector}` shows them"
    return Trouble(what, f"no ready pod stands behind it: {trouble}", remedy)


def _between(cluster: Cluster, service: Object, address: str, port: int, what: str) -> Trouble:
    """In the cluster all is well, so that what fails lies between it and this machine."""
    well = "the pods behind it are ready, and it has that port"
    ip = _as_ip(address)
    if platform.system() == "Darwin" and ip and _is_of_containers(cluster, ip):
        kind = made_of(cluster)
        why = f"{well}; but it is in the network of {kind}'s containers, which Docker on a Mac doesn't open to the Mac"
        return Trouble(what, why, _FORWARDED[kind], permanent=True)
    meta = service["metadata"]
    tried = f"kubectl -n {meta['namespace']} port-forward service/{meta['name']} 8080:{port}"
    try_it = f"`{tried}`, then `curl -v http://127.0.0.1:8080`, shows that the gateway itself answers"
    if ip and ip.is_loopback:
        why = f"{well}; but {address} is this machine's own, and whatever is to listen there for the cluster doesn't"
        return Trouble(what, f"{why} (Docker Desktop, k3s, a port forward)", f"start it again; {try_it}")
    why = f"{well}; what is between this machine and the load balancer lets nothing through"
    remedy = f"look at its health checks, a firewall or security group, a VPN: {describe(service)}; {try_it}"
    return Trouble(what, why, remedy)


_FORWARDED = {
    "kind": "run cloud-provider-kind on the Mac, which forwards the ports (https://kind.sigs.k8s.io/docs/user/loadbalancer)",
    "k3d": "publish the gateway's ports when the cluster is made: `k3d cluster create -p '80:80@loadbalancer'`",
}
"""What leads into the containers' network from a Mac (kubernetes-sigs/kind#3482)."""


def _is_of_containers(cluster: Cluster, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether the address is in the network of the nodes, which are containers."""
    if made_of(cluster) not in _FORWARDED or address.version != 4:  # noqa: PLR2004 - IP
        return False
    nodes = [ipaddress.ip_network(f"{node}/16", strict=False) for node in node_addresses(cluster) if "." in node]
    return any(address in network for network in nodes)


def _as_ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def _status_since(service: Object) -> float:
    """Since when the Service has its status, in seconds since 1970; else since when it is there."""
    written = [
        epoch(entry.get("time"))
        for entry in listed(service, "metadata", "managedFields")
        if entry.get("subresource") == "status"
    ]
    return max(filter(None, written), default=epoch(service["metadata"].get("creationTimestamp")) or time.time())
