"""The second layer: what the route objects of a namespace say of a request, whichever kind of object they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canarylab.kube.objects import Object
from canarylab.kube.watch import Watch
from canarylab.rollouts.routes import http_routes, virtual_services
from canarylab.rollouts.routes.backends import Backends
from canarylab.rollouts.routes.match import Request
from canarylab.rollouts.routes.objects import KINDS, objects, watches_of
from canarylab.rollouts.routes.seen import Seen

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

_KINDS = (
    ("v1", "Service"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    (virtual_services.API_VERSION, "DestinationRule"),
    *KINDS,
)

_NOBODY = "there is neither an HTTPRoute for such a request nor a VirtualService that names a gateway"


def routed(cluster: Cluster, rollout: Object, request: Request, backends: Backends) -> Seen:
    """What the VirtualService or HTTPRoute that is for such a request says."""
    virtual, http = (objects(cluster, kind, backends.namespace) for kind in KINDS)
    found = virtual_services.route(virtual, rollout, request) or http_routes.route(http, request)
    if found is None:
        where = f"namespace {backends.namespace}"
        return Seen(where, f"no route for {request.host}", {}, cause=_NOBODY)
    return found.seen(backends.of)


def direct(service: Object, backends: Backends) -> Seen:
    """What the endpoints of a Service say that stands before the pods itself."""
    name = service["metadata"]["name"]
    return Seen(f"endpoints of Service {name}", "each ready one equally", backends.of_endpoints(name))


def watches(cluster: Cluster, namespace: str) -> list[Watch]:
    """What to watch to see every change of what `routed` and `direct` read."""
    return watches_of(cluster, namespace, _KINDS)
