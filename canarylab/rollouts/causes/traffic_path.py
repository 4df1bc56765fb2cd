"""The way that requests go: the gateway that they come in by, the routes for their host, and the pods behind these."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canarylab.kube.objects import Object, dig, labels_of, listed
from canarylab.kube.workloads import GATEWAY_NAME
from canarylab.rollouts.causes.mesh.bound_gateway import BoundGateway, bound_to
from canarylab.rollouts.causes.mesh.destinations import (
    Destination,
    destinations,
    gateway_pods,
    pods_of,
    routes_for,
    subset_labels,
)
from canarylab.rollouts.causes.mesh.ports import pod_port
from canarylab.rollouts.routes.backends import pods_behind
from canarylab.rollouts.routes.match import Request

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster


_NAME = ("namespace", "name")


@dataclass(frozen=True)
class TrafficPath:
    """`routes` are those for the host at this gateway; `gateway` is one of its pods, None where none is found.

    What isn't read yet is asked for: ApiError where the cluster doesn't answer.
    """

    cluster: Cluster
    asked: Request
    routes: Sequence[Object]
    gateway: Object | None
    elsewhere: Sequence[Object] = ()
    """The routes for the host at other gateways."""

    @classmethod
    def of(cls, cluster: Cluster, asked: Request, service: tuple[str, str]) -> TrafficPath:
        """By namespace and name of the gateway's Service; "" twice where it isn't known, so that routes have to say it.

        A host may have routes at other gateways, too.
        """
        namespace, name = service
        found = cluster.get("v1", "Service", name, namespace) if name else None
        own = pods_behind(cluster, found) if found else []
        bound = [(route, gateway_pods(cluster, route)) for route in routes_for(cluster, asked.host)]
        pods = own or [pod for _, every in bound for pod in every]
        gateway = next(iter(pods), None)
        here = [route for route, every in bound if not own or any(_is_same(pod, gateway) for pod in every)]
        elsewhere = [route for route, _ in bound if route not in here]
        return cls(cluster, asked, here, gateway, elsewhere)

    @functools.cached_property
    def bound(self) -> BoundGateway | None:
        """What is bound to the gateway; None where it is one of the Gateway API's, whose routes are read otherwise."""
        if self.gateway is None or GATEWAY_NAME in labels_of(self.gateway):
            return None
        return bound_to(self.cluster, self.gateway, self.asked.port)

    @functools.cached_property
    def destinations(self) -> list[Destination]:
        """Where the route leads that such a request takes; where that isn't known, where any of the routes does."""
        every = [to for route in self.routes for to in destinations(route)]
        route = self.bound.route(self.asked) if self.bound else None
        if route is None:
            return every
        place, name = ("spec", route.protocol, route.position), (route.ref.kind, route.ref.namespace, route.ref.name)
        keys = (("kind",), ("metadata", "namespace"), ("metadata", "name"))
        its = [to for to in every if to.place[:3] == place and tuple(dig(to.route, *key) for key in keys) == name]
        return its or every

    def ends(self) -> Iterator[tuple[Destination, Object, Object]]:
        """Every destination with its Service and one of its pods."""
        for to in (to for to in self.destinations if to.service):
            service = self.cluster.get("v1", "Service", to.service, to.namespace)
            if service is not None:
                labels = subset_labels(self.cluster, to, self.gateway) if to.subset else None
                pods = pods_of(self.cluster, service, labels or {})
                yield from ((to, service, pod) for pod in pods[:1])

    def port_of(self, to: Destination, service: Object) -> int:
        """What the route names, else the Service's only one, else the gateway's.

        Source: istio/istio, pilot/pkg/networking/core/route/route.go, GetDestinationCluster.
        """
        ports = listed(service, "spec", "ports")
        return to.port or (int(ports[0]["port"]) if len(ports) == 1 else self.asked.port)

    def port_at(self, to: Destination, service: Object, pod: Object) -> int:
        """The pod's own port behind that."""
        port = self.port_of(to, service)
        return pod_port(service, port, pod) or port


def _is_same(pod: Object, other: Object | None) -> bool:
    return other is not None and all(dig(pod, "metadata", key) == dig(other, "metadata", key) for key in _NAME)
