"""What an update leaves in route objects until Argo's controller takes it back: weights, header and mirror routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from canarylab.contract.step import Claim
from canarylab.kube.objects import Object, dig
from canarylab.rollouts.routes.objects import KINDS, objects, routes
from canarylab.rollouts.routing import ROUTING, Sides, managed_routes

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster


def claims(cluster: Cluster, rollout: Object) -> list[Claim]:
    """Of a Rollout at rest: no route of its namespace leads any of its traffic to the canary's name.

    The controller puts that right by itself as soon as it sees it.
    """
    if dig(rollout, *ROUTING) is None:
        return []
    namespace = rollout["metadata"]["namespace"]
    left = [found for kind in KINDS for one in objects(cluster, kind, namespace) for found in _left_in(one, rollout)]
    cause = "Argo's controller takes them back when an update ends; its log says why it hasn't"
    return [Claim("routes to the canary", "none", ", ".join(left) or "none", not left, cause)]


def _left_in(obj: Object, rollout: Object) -> Iterator[str]:
    """The routes of an object that lead to the canary with a weight, or were made by a step; in words."""
    sides, managed = Sides.of(rollout), managed_routes(rollout)
    subject = f"{obj['kind']} {obj['metadata']['name']}"
    for route in routes(obj):
        if route.name in managed:
            yield f"{subject} has the managed route {route.name}"
            continue
        for each in route.destinations:
            if each.weight and sides.side(each.service, each.subset) == "canary":
                yield f"{subject} gives the canary {each.weight}"
