"""The kinds of objects that hold routes: those of a namespace, and what is in one, whichever kind it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from canarylab.kube.client import is_served
from canarylab.kube.objects import Object
from canarylab.kube.watch import Watch
from canarylab.rollouts.routes import http_routes, virtual_services
from canarylab.rollouts.routes.route import Route

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

KINDS = (
    (virtual_services.API_VERSION, virtual_services.KIND),
    (http_routes.API_VERSION, http_routes.KIND),
)


def routes(obj: Object) -> list[Route]:
    """Those of an object of one of these kinds."""
    return http_routes.routes(obj) if obj["kind"] == http_routes.KIND else virtual_services.routes(obj)


def objects(cluster: Cluster, kind: tuple[str, str], namespace: str) -> list[Object]:
    """Those of a kind; none where the cluster doesn't know it."""
    return list(cluster.list(*kind, namespace)) if is_served(cluster, *kind) else []


def watches_of(cluster: Cluster, namespace: str, kinds: Iterable[tuple[str, str]] = KINDS) -> list[Watch]:
    """What to watch to see every change of these kinds; those that the cluster doesn't know can't change."""
    return [Watch(*kind, namespace) for kind in kinds if is_served(cluster, *kind)]
