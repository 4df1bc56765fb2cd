"""The second layer: what the objects that hold routes say, whichever kind they are.

Where such a request goes, which weight the canary has, and what an update has left in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canarylab.contract.step import Claim
from canarylab.kube.client import is_served
from canarylab.kube.objects import Object, dig
from canarylab.kube.watch import Watch
from canarylab.rollouts.routes import http_routes, virtual_services
from canarylab.rollouts.routes.backends import Backends
from canarylab.rollouts.routes.match import Request
from canarylab.rollouts.routes.route import ObjectRef, Route
from canarylab.rollouts.routes.seen import Seen
from canarylab.rollouts.routing import ROUTING, Sides, listed_http_routes, listed_virtual_services, managed_routes

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

Kind = tuple[str, str]
"""The version of its API, and its name."""

KINDS: tuple[Kind, ...] = (
    (virtual_services.API_VERSION, virtual_services.KIND),
    (http_routes.API_VERSION, http_routes.KIND),
)
"""Those that hold routes."""

READ: tuple[Kind, ...] = (
    ("v1", "Service"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    (virtual_services.API_VERSION, "DestinationRule"),
    *KINDS,
)
"""All that `routed` and `direct` read."""

_NOBODY = "there is neither an HTTPRoute for such a request nor a VirtualService that names a gateway"


def watches(cluster: Cluster, namespace: str, kinds: Iterable[Kind] = KINDS) -> list[Watch]:
    """What to watch to see every change of these kinds; those that the cluster doesn't know can't change."""
    return [Watch(*kind, namespace) for kind in kinds if is_served(cluster, *kind)]


def routes(obj: Object) -> list[Route]:
    """Those of an object of one of these kinds."""
    return http_routes.routes(obj) if obj["kind"] == http_routes.KIND else virtual_services.routes(obj)


def _objects(cluster: Cluster, kind: Kind, namespace: str) -> list[Object]:
    return list(cluster.list(*kind, namespace)) if is_served(cluster, *kind) else []


# -- where a request goes ---------------------------------------------------------------------------------------------


def routed(cluster: Cluster, rollout: Object, request: Request, backends: Backends) -> Seen:
    """What the VirtualService or HTTPRoute that is for such a request says."""
    virtual, http = (_objects(cluster, kind, backends.namespace) for kind in KINDS)
    found = virtual_services.route(virtual, rollout, request) or http_routes.route(http, request)
    if found is None:
        return Seen(f"namespace {backends.namespace}", f"no route for {request.host}", {}, cause=_NOBODY)
    return found.seen(backends.of)


def direct(service: Object, backends: Backends) -> Seen:
    """What the endpoints of a Service say that stands before the pods itself."""
    name = service["metadata"]["name"]
    return Seen(f"endpoints of Service {name}", "each ready one equally", backends.of_endpoints(name))


# -- the canary's weight ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RouteWeight:
    """The canary's percent in one route. `where` names object and route."""

    where: str
    canary: float


def weighted_objects(rollout: Object) -> list[ObjectRef]:
    """The objects that the Rollout names, so that its controller writes weights into them."""
    virtual = [(one.name, one.namespace) for one in listed_virtual_services(rollout)]
    named = zip(KINDS, (virtual, listed_http_routes(rollout)), strict=True)
    return [ObjectRef(*kind, *name) for kind, names in named for name in names]


def weights(rollout: Object, objects: Iterable[Object]) -> tuple[RouteWeight, ...]:
    """The canary's weight in every route that chooses between it and stable."""
    sides, found = Sides.of(rollout), []
    for route in (route for obj in objects for route in routes(obj)):
        split = [(sides.side(one.service, one.subset), one.percent) for one in route.destinations]
        if {"stable", "canary"} <= {side for side, _ in split}:
            found.append(RouteWeight(route.where, sum(percent for side, percent in split if side == "canary")))
    return tuple(found)


# -- what an update has left ------------------------------------------------------------------------------------------


def leftover(cluster: Cluster, rollout: Object) -> list[Claim]:
    """Of a Rollout at rest: no route of its namespace leads any of its traffic to the canary's name.

    Weights, header and mirror routes: the controller takes them back by itself as soon as it sees them.
    """
    if dig(rollout, *ROUTING) is None:
        return []
    objects = (obj for kind in KINDS for obj in _objects(cluster, kind, rollout["metadata"]["namespace"]))
    left = ", ".join(words for obj in objects for route in routes(obj) for words in _left_in(route, rollout))
    cause = "Argo's controller takes them back when an update ends; its log says why it hasn't"
    return [Claim("routes to the canary", "none", left or "none", not left, cause)]


def _left_in(route: Route, rollout: Object) -> Iterator[str]:
    """That it was made by a step, or the weights with which it leads to the canary; in words."""
    subject, sides = f"{route.ref.kind} {route.ref.name}", Sides.of(rollout)
    if route.name in managed_routes(rollout):
        yield f"{subject} has the managed route {route.name}"
        return
    for each in route.destinations:
        if each.weight and sides.side(each.service, each.subset) == "canary":
            yield f"{subject} gives the canary {each.weight}"
