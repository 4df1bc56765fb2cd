"""Where routes for a host lead, as the objects say: Services, subsets and ports, and the gateways before them.

Not which of the routes a request takes, which `canarylab.rollouts.routes` works out: what is wrong with any of them is
worth knowing where requests fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canarylab.kube.client import is_served
from canarylab.kube.objects import Object, dig, labels_of, listed
from canarylab.kube.workloads import GATEWAY_NAME
from canarylab.rollouts.causes.mesh.settings import mesh_of
from canarylab.rollouts.routes.destination_rules import KIND, DestinationRules, JoinedRule
from canarylab.rollouts.routes.match import Proxy
from canarylab.rollouts.routes.route_objects import routes
from canarylab.rollouts.routes.virtual_services import MESH, gateway_name
from canarylab.yamlfile.problems import Place

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

ISTIO = "networking.istio.io/v1"
_GATEWAY_API = "gateway.networking.k8s.io/v1"


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
    """Every destination of every route in it that gets something; a Service's name is "" where it is none's."""
    destined = "backendRefs" if route["kind"] == "HTTPRoute" else "route"
    for one in routes(route):
        part = "rules" if route["kind"] == "HTTPRoute" else one.protocol
        for position, to in enumerate(one.destinations):
            if to.percent:
                service, at = to.service if to.namespace else "", ("spec", part, one.position, destined, position)
                yield Destination(route, to.host or to.service, service, to.namespace, to.subset, to.port, at)


def gateway_pods(cluster: Cluster, route: Object) -> list[Object]:
    """The pods of the gateways that the route is for."""
    place = route["metadata"]["namespace"]
    if route["kind"] == "HTTPRoute":
        parents = [(one["name"], one.get("namespace") or place) for one in listed(route, "spec", "parentRefs")]
        return [pod for name, where in parents for pod in cluster.list("v1", "Pod", where, {GATEWAY_NAME: name})]
    pods: list[Object] = []
    for named in (gateway_name(str(one), place) for one in listed(route, "spec", "gateways") if one != MESH):
        namespace, _, name = named.partition("/")
        selector = dig(cluster.get(ISTIO, "Gateway", name, namespace), "spec", "selector")
        pods += cluster.list("v1", "Pod", None, selector) if selector else []
    return pods


def rule_of(cluster: Cluster, to: Destination, gateway: Object | None) -> JoinedRule | None:
    """The DestinationRules by which a gateway, known by one of its pods, goes for the destination's Service."""
    return _rules(cluster, gateway).of(to.service, to.namespace)


def subset_labels(cluster: Cluster, to: Destination, gateway: Object | None) -> Mapping[str, str] | None:
    """The labels of the subset that the destination names, None where the gateway knows no such subset."""
    rule = rule_of(cluster, to, gateway)
    return rule.subsets.get(to.subset) if rule else None


def lacking(cluster: Cluster, to: Destination, gateway: Object | None) -> str:
    """Which DestinationRule lacks that subset, to go on with after "..., which"; "" where the gateway isn't known."""
    return _rules(cluster, gateway).lacking(to.service, to.namespace, to.subset) if gateway else ""


def _rules(cluster: Cluster, gateway: Object | None) -> DestinationRules:
    proxy = Proxy(dig(gateway, "metadata", "namespace") or "", labels_of(gateway))
    found = cluster.list(ISTIO, KIND) if is_served(cluster, ISTIO, KIND) else []
    return DestinationRules(found, proxy, mesh_of(cluster).root)


def pods_of(cluster: Cluster, service: Object, labels: Mapping[str, str]) -> list[Object]:
    """The pods that the Service selects, of which a subset takes those with its labels."""
    selector = dig(service, "spec", "selector")
    found = cluster.list("v1", "Pod", service["metadata"]["namespace"], selector) if selector else []
    return [pod for pod in found if labels.items() <= labels_of(pod).items()]
