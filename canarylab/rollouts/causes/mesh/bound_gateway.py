"""A gateway's pod as istiod looks at it: its Gateways, and the route that a request takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canarylab.kube.client import is_served
from canarylab.kube.objects import Object, dig, labels_of
from canarylab.rollouts.causes.mesh.ports import service_port
from canarylab.rollouts.gateway_servers import Server, servers_of
from canarylab.rollouts.routes import delegates, gateways, virtual_services
from canarylab.rollouts.routes.match import Proxy, Request
from canarylab.rollouts.routes.proxies import proxy_of
from canarylab.rollouts.routes.route import Route, oldest_first
from canarylab.rollouts.routes.virtual_services import Located

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster


@dataclass(frozen=True)
class BoundGateway:
    """All that is bound to a gateway's pods."""

    proxy: Proxy = field(default_factory=lambda: Proxy("", {}))
    gateways: Sequence[Object] = ()
    virtual_services: Sequence[Object] = ()

    def servers(self, port: int) -> list[Server]:
        """Those at a port of its Service, in istiod's order, without those that it leaves out."""
        ports = (port, self.proxy.target_ports.get(port))
        kept = {(one.gateway, one.index) for one in gateways.servers(self.gateways, self.proxy)}
        every = (server for gateway in self.gateways for server in servers_of(gateway))
        return [one for one in every if one.port in ports and (one.name, one.index) in kept]

    def route(self, request: Request) -> Route | None:
        """The route that such a request takes."""
        return gateways.Routing(self.gateways, self.virtual_services, self.proxy).route(request)

    def located(self, route: Route) -> Located | None:
        """An http route as it is written, and in which object; None where it is no VirtualService's."""
        known = {(str(one["metadata"]["namespace"]), one["metadata"]["name"]): one for one in self.virtual_services}
        every = (found for one in self.virtual_services for found in delegates.merged(one, known))
        same = (found for found in every if _is(route, virtual_services.route_of(found)))
        return next(same, None)


def _is(route: Route, other: Route) -> bool:
    return (route.protocol, route.ref, route.position) == ("http", other.ref, other.position)


def bound_to(cluster: Cluster, pod: Object, port: int) -> BoundGateway:
    """By the pod of a gateway, and the port of its Service."""
    proxy = _proxy(cluster, pod, port)
    own = [one for one in _all(cluster, gateways.KIND) if _selects(one, proxy.labels)]
    return BoundGateway(proxy, oldest_first(own), _all(cluster, virtual_services.KIND))


def _selects(gateway: Object, labels: Mapping[str, str]) -> bool:
    return (dig(gateway, "spec", "selector") or {}).items() <= labels.items()


def _all(cluster: Cluster, kind: str) -> list[Object]:
    version = gateways.API_VERSION
    return list(cluster.list(version, kind)) if is_served(cluster, version, kind) else []


def _proxy(cluster: Cluster, pod: Object, port: int) -> Proxy:
    namespace = pod["metadata"]["namespace"]
    for service in cluster.list("v1", "Service", namespace):
        selector = dig(service, "spec", "selector") or {}
        if selector and selector.items() <= labels_of(pod).items() and service_port(service, port):
            return proxy_of(service, [pod])
    return Proxy(namespace, labels_of(pod))
