"""Which revisions stand behind a Service: the last part of every route."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from canarylab.kube.objects import Object, dig
from canarylab.rollouts.revisions import HASH_LABEL
from canarylab.rollouts.routes.layer_view import Shares, evenly
from canarylab.rollouts.routes.route import Destination, service_of

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

_ISTIO = "networking.istio.io/v1"


class Backends:
    """A namespace's Services as they are now; what is asked for is read once."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self.namespace = namespace

    @functools.cached_property
    def by_address(self) -> Mapping[str, str]:
        """The revision of each pod by its IP address."""
        return {dig(pod, "status", "podIP"): _hash(pod) for pod in self._pods if dig(pod, "status", "podIP")}

    def of(self, destination: Destination) -> Shares:
        """By the revision that Argo writes into a Service's selector, or into the labels of a DestinationRule's subset.

        A Service without one goes by its ready endpoints. Behind a Service of another namespace than the Rollout's,
        and of no namespace at all, none of its pods stand.
        """
        if destination.namespace != self.namespace:
            return {"": 100}
        if destination.subset:
            return {self._hash_of_subset(destination.service, destination.subset): 100}
        service = self._cluster.get("v1", "Service", destination.service, self.namespace)
        if digest := dig(service, "spec", "selector", HASH_LABEL):
            return {digest: 100}
        return self.of_endpoints(destination.service)

    def of_endpoints(self, name: str) -> Shares:
        """By ready endpoints, of which kube-proxy chooses each with the same probability."""
        labels = {"kubernetes.io/service-name": name}
        slices = self._cluster.list("discovery.k8s.io/v1", "EndpointSlice", self.namespace, labels)
        named = {pod["metadata"]["name"]: _hash(pod) for pod in self._pods}
        ready = [
            dig(endpoint, "targetRef", "name")
            for one in slices
            for endpoint in one.get("endpoints") or ()
            if dig(endpoint, "conditions", "ready") is not False  # unset counts as ready
        ]
        return evenly(named.get(pod, "") for pod in set(ready))

    def _hash_of_subset(self, service: str, subset: str) -> str:
        rules = (rule for rule in self._rules if service_of(dig(rule, "spec", "host"))[0] == service)
        subsets = (one for rule in rules for one in dig(rule, "spec", "subsets") or () if one["name"] == subset)
        return dig(next(subsets, None), "labels", HASH_LABEL) or ""

    @functools.cached_property
    def _pods(self) -> list[Object]:
        return list(self._cluster.list("v1", "Pod", self.namespace))

    @functools.cached_property
    def _rules(self) -> list[Object]:
        return list(self._cluster.list(_ISTIO, "DestinationRule", self.namespace))


def pods_behind(cluster: Cluster, service: Object) -> list[Object]:
    """The pods that a Service selects: none without a selector, which would be all of its namespace in a list."""
    selector = dig(service, "spec", "selector")
    return list(cluster.list("v1", "Pod", service["metadata"]["namespace"], selector)) if selector else []


def _hash(pod: Object) -> str:
    return str(dig(pod, "metadata", "labels", HASH_LABEL) or "")
