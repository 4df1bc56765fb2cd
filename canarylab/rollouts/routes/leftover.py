"""What an update leaves in route objects until Argo's controller takes it back: weights, header and mirror routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from canarylab.contract.step import Claim
from canarylab.kube.listing import is_served
from canarylab.kube.objects import Object, dig, listed
from canarylab.kube.watch import Watch

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

_KINDS = (("networking.istio.io/v1", "VirtualService"), ("gateway.networking.k8s.io/v1", "HTTPRoute"))
_ROUTING = ("spec", "strategy", "canary", "trafficRouting")


def watches(cluster: Cluster, namespace: str) -> list[Watch]:
    """What to watch to see every change of it; kinds that the cluster doesn't know can't change."""
    return [Watch(version, kind, namespace) for version, kind in _KINDS if is_served(cluster, version, kind)]


def claims(cluster: Cluster, rollout: Object) -> list[Claim]:
    """Of a Rollout at rest: no route of its namespace leads any of its traffic to the canary's name.

    The controller puts that right by itself as soon as it sees it.
    """
    if dig(rollout, *_ROUTING) is None:
        return []
    namespace = rollout["metadata"]["namespace"]
    kinds = [(watch.api_version, watch.kind) for watch in watches(cluster, namespace)]
    objects = [one for version, kind in kinds for one in cluster.list(version, kind, namespace)]
    left = [found for one in objects for found in _left_in(one, rollout)]
    cause = "Argo's controller takes them back when an update ends; its log says why it hasn't"
    return [Claim("routes to the canary", "none", ", ".join(left) or "none", not left, cause)]


def _left_in(obj: dict[str, Any], rollout: Object) -> Iterator[str]:
    """The routes of an object that lead to the canary with a weight, or were made by a step; in words."""
    managed = [dig(one, "name") for one in listed(rollout, *_ROUTING, "managedRoutes")]
    subject = f"{obj['kind']} {obj['metadata']['name']}"
    for route in [route for key in ("http", "tls", "tcp", "rules") for route in listed(obj, "spec", key)]:
        if (name := dig(route, "name")) and name in managed:
            yield f"{subject} has the managed route {name}"
            continue
        for each in [*listed(route, "route"), *listed(route, "backendRefs")]:
            if dig(each, "weight") and _is_canary(each, rollout):
                yield f"{subject} gives the canary {dig(each, 'weight')}"


def _is_canary(destination: Any, rollout: Object) -> bool:
    canary = dig(rollout, "spec", "strategy", "canary", "canaryService")
    subset = dig(rollout, *_ROUTING, "istio", "destinationRule", "canarySubsetName")
    host = str(dig(destination, "destination", "host") or dig(destination, "name")).partition(".")[0]
    if subset:
        return bool(dig(destination, "destination", "subset") == subset)
    return bool(canary) and host == canary
