"""What the route objects of a canary say of its weight: Istio's VirtualServices, the Gateway API's HTTPRoutes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from canarylab.kube.objects import Object
from canarylab.rollouts.routes import http_routes, virtual_services
from canarylab.rollouts.routes.objects import routes
from canarylab.rollouts.routes.route import ObjectRef
from canarylab.rollouts.routing import Sides, listed_http_routes, listed_virtual_services


@dataclass(frozen=True)
class RouteWeight:
    """The canary's percent in one route. `where` names object and route."""

    where: str
    canary: float


def weighted_objects(rollout: Object) -> list[ObjectRef]:
    """The objects that the Rollout names, so that its controller writes weights into them."""
    virtual = [(one.name, one.namespace) for one in listed_virtual_services(rollout)]
    return [
        *(ObjectRef(virtual_services.API_VERSION, virtual_services.KIND, *one) for one in virtual),
        *(ObjectRef(http_routes.API_VERSION, http_routes.KIND, *one) for one in listed_http_routes(rollout)),
    ]


def weights(rollout: Object, objects: Iterable[Object]) -> tuple[RouteWeight, ...]:
    """The canary's weight in every route that chooses between it and stable."""
    sides, found = Sides.of(rollout), []
    for route in (route for obj in objects for route in routes(obj)):
        split = [(sides.side(one.service, one.subset), one.percent) for one in route.destinations]
        if {"stable", "canary"} <= {side for side, _ in split}:
            found.append(RouteWeight(route.where, sum(percent for side, percent in split if side == "canary")))
    return tuple(found)
