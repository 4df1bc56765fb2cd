"""Where routes for a host lead, as the objects say: Services, subsets and ports, and the gateways before them.

Not which of the routes a request takes, which `canarylab.rollouts.routes` works out: what is wrong with any of them is
worth knowing where requests fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canarylab.kube.client import is_served
from canarylab.kube.objects import Object, dig, labels_of, listed
from canarylab.kube.workloads import GATEWAY_NAME
from canarylab.yamlfile.problems import Place

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

ISTIO = "networking.istio.io/v1"
_GATEWAY_API = "gateway.networking.k8s.io/v1"
_DOMAIN = ".svc.cluster.local"
_MESH = "mesh"


@dataclass(frozen=True)
class Destination:
    """One that a route sends requests to. `route` is the object, `host` as it stands there."""

    route: Object
    host: str
    service: str
    namespace: str
    subset: str
    port: int | None
    """None where the route names none."""
    place: Place = ("spec",)
    """Where in the object it stands."""

    @property
    def where(self) -> str:
        meta = self.route["metadata"]
        return f"{self.route['kind']} {meta['namespace']}/{meta['name']}"


def routes_for(cluster: Cluster, host: str) -> list[Object]:
    """The VirtualServices and HTTPRoutes for that host."""
    found: list[Object] = []
    for version, kind, key in ((ISTIO, "VirtualService", "hosts"), (_GATEWAY_API, "HTTPRoute", "hostnames")):
        if is_served(cluster, version, kind):
            found += [one for one in cluster.list(version, kind) if _has(listed(one, "spec", key), host)]
    return found


def _has(patterns: object, host: str) -> bool:
    texts = [str(one).lower() for one in patterns] if isinstance(patterns, list) else []
    return any(one in ("*", host.lower()) or (one[:2] == "*." and host.lower().endswith(one[1:])) for one in texts)


def destinations(route: Object) -> Iterator[Destination]:
    """Every destination of every route in it, less those with weight 0."""
    place = route["metadata"]["namespace"]
    if route["kind"] == "HTTPRoute":
        for index, rule in enumerate(listed(route, "spec", "rules")):
            for position, one in enumerate(listed(rule, "backendRefs")):
                if one.get("kind", "Service") == "Service" and one.get("weight") != 0:
                    name, at = one["name"], ("spec", "rules", index, "backendRefs", position)
                    yield Destination(route, name, name, one.get("namespace") or place, "", one.get("port"), at)
        return
    for protocol in ("http", "tls", "tcp"):
        for index, entry in enumerate(listed(route, "spec", protocol)):
            for position, one in enumerate(listed(entry, "route")):
                if one.get("weight", None if len(listed(entry, "route")) == 1 else 0) != 0:
                    at = ("spec", protocol, index, "route", position)
                    yield _destination(route, one.get("destination") or {}, place, at)


def _destination(route: Object, found: Object, namespace: str, place: Place) -> Destination:
    host = str(found.get("host") or "")
    service, where = resolved(host, namespace)
    return Destination(route, host, service, where, found.get("subset") or "", dig(found, "port", "number"), place)


def resolved(host: str, place: str) -> tuple[str, str]:
    """The Service and its namespace; "" twice where the name isn't a Service's.

    A name without a period is of the object's own namespace, any other is taken as it stands (istio/istio,
    pilot/pkg/model/config.go, ResolveShortnameToFQDN).
    """
    if "." not in host:
        return host, place
    name, _, namespace = host.removesuffix(_DOMAIN).partition(".")
    return (name, namespace) if host.endswith(_DOMAIN) else ("", "")


def gateway_pods(cluster: Cluster, route: Object) -> list[Object]:
    """The pods of the gateways that the route is for."""
    place = route["metadata"]["namespace"]
    if route["kind"] == "HTTPRoute":
        parents = [(one["name"], one.get("namespace") or place) for one in listed(route, "spec", "parentRefs")]
        return [pod for name, where in parents for pod in cluster.list("v1", "Pod", where, {GATEWAY_NAME: name})]
    pods: list[Object] = []
    for named in listed(route, "spec", "gateways"):
        namespace, _, name = str(named).rpartition("/")
        if named == _MESH:
            continue
        selector = dig(cluster.get(ISTIO, "Gateway", name, namespace or place), "spec", "selector")
        pods += cluster.list("v1", "Pod", None, selector) if selector else []
    return pods


def subset_labels(cluster: Cluster, to: Destination) -> dict[str, str] | None:
    """The labels of the subset that the destination names, None where no DestinationRule of the host has it."""
    for rule in rules_of(cluster, to):
        for one in listed(rule, "spec", "subsets"):
            if one.get("name") == to.subset:
                return dict(one.get("labels") or {})
    return None


def rules_of(cluster: Cluster, to: Destination) -> list[Object]:
    """The DestinationRules for the destination's Service."""
    if not is_served(cluster, ISTIO, "DestinationRule"):
        return []
    wanted = (to.service, to.namespace)
    found = cluster.list(ISTIO, "DestinationRule")
    return [one for one in found if resolved(str(dig(one, "spec", "host")), one["metadata"]["namespace"]) == wanted]


def pods_of(cluster: Cluster, service: Object, labels: dict[str, str]) -> list[Object]:
    """The pods that the Service selects, of which a subset takes those with its labels."""
    selector = dig(service, "spec", "selector")
    found = cluster.list("v1", "Pod", service["metadata"]["namespace"], selector) if selector else []
    return [pod for pod in found if labels.items() <= labels_of(pod).items()]
