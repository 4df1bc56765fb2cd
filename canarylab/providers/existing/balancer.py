"""Why a Service of type LoadBalancer has no address yet: from the Service, its events, its pods and the nodes.

Nothing is said that wasn't found: who makes addresses differs by cluster, and each leaves other traces.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canarylab.kube.connection import ApiError
from canarylab.kube.objects import Object, condition, dig, is_terminating, listed, load_balancer_address, pod_trouble
from canarylab.kube.times import epoch
from canarylab.kube.workloads import newest_warning

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

_PATIENCE = 300.0
"""Seconds in which a cloud has made a load balancer, as a rule."""
_SERVICELB = "svccontroller.k3s.cattle.io"
"""Prefix of the labels of servicelb's pods (k3s: pkg/cloudprovider/servicelb.go)."""
_NO_PORT = "free ports"
"""What the scheduler says of a pod whose hostPort is taken: "didn't have free ports for the requested pod ports"."""
_AT_WORK = "EnsuringLoadBalancer"
"""The event with which a cloud's controller begins (k8s.io/cloud-provider, controllers/service)."""


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a Service's address, why, and what to do."""

    what: str
    why: str
    remedy: str
    until: float = 0.0
    """Until when, in seconds since 1970, it may well go by itself."""
    permanent: bool = False
    """Whether it stays so until somebody acts."""

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; next: {self.remedy}"

    @property
    def is_final(self) -> bool:
        """Whether there is no use in waiting, or none any more."""
        return self.permanent or time.time() >= self.until


def full_name(service: Object) -> str:
    """NAMESPACE/NAME."""
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"


def describe(service: Object) -> str:
    """The command that shows all that a Service says of itself."""
    return f"`kubectl -n {service['metadata']['namespace']} describe service {service['metadata']['name']}`"


def pending(cluster: Cluster, service: Object) -> Trouble:
    """Why the Service has no address yet."""
    what = f"Service {full_name(service)} has no address yet"
    until = epoch(service["metadata"].get("creationTimestamp")) or time.time()
    for look in (_servicelb, _said, _by_class, _by_nodes):
        if found := look(cluster, service):
            why, remedy, permanent = found
            return Trouble(what, why, remedy, until + _PATIENCE, permanent)
    why = "nothing in the cluster has said that it makes one (clouds have a load balancer, bare machines MetalLB)"
    return Trouble(what, why, f"install a load balancer, or {describe(service)} shows what it says", until + _PATIENCE)


_Found = tuple[str, str, bool] | None


def _servicelb(cluster: Cluster, service: Object) -> _Found:
    """k3s and k3d open the Service's ports on the nodes, by a pod on each: one Service a port (k3d-io/k3d#104)."""
    meta = service["metadata"]
    labels = {f"{_SERVICELB}/svcname": meta["name"], f"{_SERVICELB}/svcnamespace": meta["namespace"]}
    pods = [pod for pod in _seen(cluster, "Pod", labels=labels) if not is_terminating(pod)]
    if not pods:
        return None
    stuck = next(((pod, said) for pod in pods if (said := pod_trouble(pod))), None)
    if stuck is None:
        ready = all(condition(pod, "Ready").get("status") == "True" for pod in pods)
        started = "its pods of k3s' servicelb are ready, and it hasn't given the address yet"
        why = started if ready else "its pods of k3s' servicelb are being started"
        return newest_warning(cluster, service) or why, f"{describe(service)} shows more", False
    pod, said = stuck
    if _NO_PORT in said and (holder := _holder(cluster, service)):
        why = f"k3s' servicelb opens its ports on the nodes, and {holder} there already ({said})"
        return why, _another_port(holder), True
    shown = f"kubectl -n {pod['metadata']['namespace']} describe pod {pod['metadata']['name']}"
    return f"its pod of k3s' servicelb doesn't start: {said}", f"`{shown}` shows all of it", False


def _another_port(holder: str) -> str:
    without = (
        "make the cluster without traefik (k3s: --disable traefik; "
        "k3d: `k3d cluster create --k3s-arg '--disable=traefik@server:0'`)"
    )
    either = "give one of the two another port"
    return f"{without}, or {either}" if "traefik" in holder else either


def _holder(cluster: Cluster, service: Object) -> str:
    """Who has one of the Service's ports on the nodes: another Service, or a pod by its hostPort; "" where nobody."""
    wanted = {(port.get("protocol", "TCP"), port["port"]) for port in listed(service, "spec", "ports")}
    for other in _seen(cluster, "Service"):
        balanced = dig(other, "spec", "type") == "LoadBalancer" and load_balancer_address(other)
        if balanced and full_name(other) != full_name(service):
            for port in listed(other, "spec", "ports"):
                if (port.get("protocol", "TCP"), port["port"]) in wanted:
                    return f"Service {full_name(other)} has port {port['port']}"
    for pod in _seen(cluster, "Pod"):
        if dig(pod, "spec", "nodeName"):
            for protocol, port in _host_ports(pod):
                if (protocol, port) in wanted:
                    return f"Pod {pod['metadata']['namespace']}/{pod['metadata']['name']} has port {port}"
    return ""


def _host_ports(pod: Object) -> Iterable[tuple[str, int]]:
    for container in listed(pod, "spec", "containers"):
        for port in listed(container, "ports"):
            if port.get("hostPort"):
                yield port.get("protocol", "TCP"), port["hostPort"]


def _said(cluster: Cluster, service: Object) -> _Found:
    """A load balancer's own events: that it can't (MetalLB's AllocationFailed, a cloud's quota), or is at it."""
    if warning := newest_warning(cluster, service):
        return warning.partition(": ")[2], f"see to what it says; {describe(service)} shows all of it", False
    meta = service["metadata"]
    about = {"involvedObject.kind": "Service", "involvedObject.name": meta["name"], "reason": _AT_WORK}
    if _seen(cluster, "Event", meta["namespace"], fields=about):
        return "the cluster's cloud is making its load balancer, which takes minutes", describe(service), False
    return None


def _by_class(cluster: Cluster, service: Object) -> _Found:  # noqa: ARG001 - one look of several
    if name := dig(service, "spec", "loadBalancerClass"):
        why = f"it asks for the load balancer of class {name}, and nothing has said that it serves that class"
        return why, f"install what serves it, or take loadBalancerClass out; {describe(service)} shows more", False
    return None


def _by_nodes(cluster: Cluster, service: Object) -> _Found:
    """What a cluster of this kind has by itself, where nothing at all was said of the Service."""
    kind = made_of(cluster)
    if kind == "kind":
        why = "kind has no load balancer of its own, and no event says that cloud-provider-kind is at work"
        return why, "run cloud-provider-kind beside it: https://kind.sigs.k8s.io/docs/user/loadbalancer", False
    if kind in ("k3s", "k3d"):
        why = "k3s' servicelb has made no pod for the Service: it is switched off, or no node takes part"
        return why, "start k3s without `--disable servicelb`, or install MetalLB", False
    if kind in _CLOUDS:
        why = f"these are nodes of {_CLOUDS[kind]}, whose controller hasn't said anything of it yet"
        return why, f"{describe(service)} shows once it does", False
    return None


_CLOUDS = {
    "aws": "AWS",
    "gce": "Google Cloud",
    "azure": "Azure",
    "digitalocean": "DigitalOcean",
    "hcloud": "Hetzner Cloud",
    "openstack": "OpenStack",
    "oci": "Oracle Cloud",
    "linode": "Linode",
}
"""By the scheme of their nodes' providerID."""


def made_of(cluster: Cluster) -> str:
    """What the cluster is made of, by its first node: "kind", "k3d", "k3s", a cloud's scheme; "" where nobody says."""
    nodes = _seen(cluster, "Node")
    if not nodes:
        return ""
    if str(nodes[0]["metadata"]["name"]).startswith("k3d-"):
        return "k3d"
    return str(dig(nodes[0], "spec", "providerID") or "").partition("://")[0]


def _seen(cluster: Cluster, kind: str, namespace: str | None = None, **chosen: Mapping[str, str]) -> Sequence[Object]:
    """The objects of a kind, as far as this user may see them: they only explain."""
    try:
        return cluster.list("v1", kind, namespace, **chosen)
    except ApiError:
        return []


def node_addresses(cluster: Cluster) -> list[str]:
    """The nodes' addresses within their own network."""
    return [
        str(address["address"])
        for node in _seen(cluster, "Node")
        for address in listed(node, "status", "addresses")
        if address.get("type") == "InternalIP"
    ]
