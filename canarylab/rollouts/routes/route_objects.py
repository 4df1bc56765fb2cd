"""The second layer: what the objects that hold routes say, whichever kind they are.

Where such a request goes, which weight the canary has, and what an update has left in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from canarylab.contract.step import Claim
from canarylab.kube.client import ApiError, is_served
from canarylab.kube.objects import Object, dig
from canarylab.kube.watch import Watch
from canarylab.rollouts.routes import gateways, http_routes, virtual_services
from canarylab.rollouts.routes.backends import Backends
from canarylab.rollouts.routes.layer_view import LayerView
from canarylab.rollouts.routes.match import Proxy, Request
from canarylab.rollouts.routes.route import ObjectRef, Route
from canarylab.rollouts.traffic_routing import (
    ROUTING,
    StableAndCanary,
    listed_http_routes,
    listed_virtual_services,
    managed_routes,
)

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

Kind = tuple[str, str]
"""The version of its API, and its name."""

KINDS: tuple[Kind, ...] = (
    (virtual_services.API_VERSION, virtual_services.KIND),
    (http_routes.API_VERSION, http_routes.KIND),
)
"""Those that hold routes."""

_BEHIND: tuple[Kind, ...] = (
    ("v1", "Service"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    (virtual_services.API_VERSION, "DestinationRule"),
)
_GATEWAY: Kind = (gateways.API_VERSION, gateways.KIND)

_NOBODY = "no Gateway opens that port for the host, or no VirtualService or HTTPRoute of it is for such a request"
_ANSWERED = "the gateway answers such requests itself and passes none on"


def watches(cluster: Cluster, rollout: Object) -> list[Watch]:
    """What to watch to see every change of the routes that are a Rollout's; kinds that aren't served can't change."""
    namespaces = _namespaces(rollout)
    return [Watch(*kind, namespace) for kind in KINDS if is_served(cluster, *kind) for namespace in namespaces]


def all_watches(cluster: Cluster, namespace: str) -> list[Watch]:
    """What to watch to see every change of what `routed` and `direct` read: routes may be of any namespace."""
    everywhere = [Watch(*kind) for kind in (*KINDS, _GATEWAY) if is_served(cluster, *kind)]
    return everywhere + [Watch(*kind, namespace) for kind in _BEHIND if is_served(cluster, *kind)]


def _namespaces(rollout: Object) -> list[str]:
    """Its own, and those of the objects that it names."""
    named = [ref.namespace for ref in weighted_objects(rollout) if ref.namespace]
    return list(dict.fromkeys([rollout["metadata"]["namespace"], *named]))


def routes(obj: Object) -> list[Route]:
    """Those of an object of one of these kinds."""
    return http_routes.routes(obj) if obj["kind"] == http_routes.KIND else virtual_services.routes(obj)


def _objects(cluster: Cluster, kind: Kind, namespace: str) -> list[Object]:
    return list(cluster.list(*kind, namespace)) if is_served(cluster, *kind) else []


def _everywhere(cluster: Cluster, kind: Kind, namespaces: Iterable[str]) -> list[Object]:
    """Those of all namespaces, or where the user may not list them, of these."""
    try:
        return list(cluster.list(*kind)) if is_served(cluster, *kind) else []
    except ApiError as error:
        if not error.is_forbidden:
            raise
        return [one for namespace in dict.fromkeys(namespaces) for one in cluster.list(*kind, namespace)]


# -- where a request goes ---------------------------------------------------------------------------------------------


def routed(cluster: Cluster, rollout: Object, request: Request, backends: Backends, proxy: Proxy) -> LayerView:
    """What the VirtualService or HTTPRoute that is for such a request at that gateway says, wherever it is."""
    namespaces = [*_namespaces(rollout), proxy.namespace]
    virtual = _everywhere(cluster, KINDS[0], namespaces)
    found = gateways.Routing(_everywhere(cluster, _GATEWAY, namespaces), virtual, proxy).route(request)
    if found is None:
        found = http_routes.route(_http_routes(cluster, backends.namespace, proxy), request)
    if found is None:
        return LayerView(f"namespace {backends.namespace}", f"no route for {request.host}", {}, cause=_NOBODY)
    return _explained(found, request, virtual, rollout).seen(backends.of)


def _http_routes(cluster: Cluster, namespace: str, proxy: Proxy) -> list[Object]:
    """Those of the gateway, or where its pods don't say which Gateway they are of, those of the namespace."""
    if name := proxy.labels.get(http_routes.GATEWAY_LABEL):
        found = _everywhere(cluster, KINDS[1], [namespace])
        return [one for one in found if http_routes.is_of(one, name, proxy.namespace)]
    return _objects(cluster, KINDS[1], namespace)


def _explained(found: Route, request: Request, virtual: Sequence[Object], rollout: Object) -> Route:
    """With why it may say something else than the Rollout, and with its namespace where that is another."""
    if found.answer:
        return replace(found, cause=_ANSWERED, remedy=found.instead(request))
    name, namespace = found.ref.name, found.ref.namespace
    if namespace != rollout["metadata"]["namespace"]:
        found = replace(found, where=f"{namespace}/{found.where}")
    if found.ref.kind != virtual_services.KIND:
        return found
    obj = next(one for one in virtual if one["metadata"]["name"] == name and one["metadata"]["namespace"] == namespace)
    return replace(found, cause=virtual_services.left_alone(found, obj, rollout))


def direct(service: Object, backends: Backends) -> LayerView:
    """What the endpoints of a Service say that stands before the pods itself."""
    name = service["metadata"]["name"]
    return LayerView(f"endpoints of Service {name}", "each ready one equally", backends.of_endpoints(name))


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
    both, found = StableAndCanary.of(rollout), []
    for route in (route for obj in objects for route in routes(obj)):
        split = [(both.role(one.service, one.subset), one.percent) for one in route.destinations]
        if {"stable", "canary"} <= {role for role, _ in split}:
            found.append(RouteWeight(route.where, sum(percent for role, percent in split if role == "canary")))
    return tuple(found)


# -- what an update has left ------------------------------------------------------------------------------------------


def leftover(cluster: Cluster, rollout: Object) -> list[Claim]:
    """Of a Rollout at rest: no route leads any of its traffic to the canary's name.

    Looked at are the routes of its namespace, and of those of the objects that it names. Weights, header and mirror
    routes: the controller takes them back by itself as soon as it sees them.
    """
    if dig(rollout, *ROUTING) is None:
        return []
    objects = (obj for kind in KINDS for where in _namespaces(rollout) for obj in _objects(cluster, kind, where))
    left = ", ".join(words for obj in objects for route in routes(obj) for words in _left_in(route, rollout))
    cause = "Argo's controller takes them back when an update ends; its log says why it hasn't"
    return [Claim("routes to the canary", "none", left or "none", not left, cause)]


def _left_in(route: Route, rollout: Object) -> Iterator[str]:
    """That it was made by a step, or the weights with which it leads to the canary; in words."""
    subject, both = f"{route.ref.kind} {route.ref.name}", StableAndCanary.of(rollout)
    if route.name in managed_routes(rollout):
        yield f"{subject} has the managed route {route.name}"
        return
    for each in route.destinations:
        if each.weight and both.role(each.service, each.subset) == "canary":
            yield f"{subject} gives the canary {each.weight}"
