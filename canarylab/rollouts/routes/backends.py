"""Which revisions stand behind a Service: the last part of every route."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from canarylab.kube.client import ApiError
from canarylab.kube.objects import Object, dig, labels_of
from canarylab.rollouts.causes.mesh.settings import mesh_of
from canarylab.rollouts.revisions import HASH_LABEL
from canarylab.rollouts.routes import destination_rules, lists
from canarylab.rollouts.routes.destination_rules import DestinationRules
from canarylab.rollouts.routes.layer_view import Shares, evenly
from canarylab.rollouts.routes.match import Proxy
from canarylab.rollouts.routes.route import Destination

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster


class Backends:
    """A namespace's Services as they are now, for that gateway; what is asked for is read once."""

    def __init__(self, cluster: Cluster, namespace: str, proxy: Proxy) -> None:
        self._cluster, self._proxy = cluster, proxy
        self.namespace = namespace

    @functools.cached_property
    def by_address(self) -> Mapping[str, str]:
        """The revision of each pod by its IP address."""
        return {dig(pod, "status", "podIP"): _hash(pod) for pod in self._pods if dig(pod, "status", "podIP")}

    def of(self, destination: Destination) -> Shares:
        """By the revision that Argo writes into a Service's selector, or into the labels of a DestinationRule's subset.

        Without one it goes by ready endpoints, of a subset by those whose pods have its labels. Behind a Service of
        another namespace than the Rollout's, and of no namespace at all, none of its pods stand; behind a subset that
        the gateway doesn't know, nobody does.
        """
        labels = self._labels(destination)
        if labels is None:
            return {}
        if destination.namespace != self.namespace:
            return {"": 100}
        service = self._cluster.get("v1", "Service", destination.service, self.namespace)
        named = {dig(service, "spec", "selector", HASH_LABEL), labels.get(HASH_LABEL)} - {None}
        if service is None or len(named) > 1:  # pods of one revision aren't of the other
            return {}
        return {named.pop(): 100} if named else self.of_endpoints(destination.service, labels)

    def of_endpoints(self, name: str, labels: Mapping[str, str] | None = None) -> Shares:
        """By ready endpoints, of which kube-proxy chooses each with the same probability; of pods with these labels."""
        selected = {"kubernetes.io/service-name": name}
        slices = self._cluster.list("discovery.k8s.io/v1", "EndpointSlice", self.namespace, selected)
        pods = {pod["metadata"]["name"]: pod for pod in self._pods}
        ready = [
            dig(endpoint, "targetRef", "name")
            for one in slices
            for endpoint in one.get("endpoints") or ()
            if dig(endpoint, "conditions", "ready") is not False  # unset counts as ready
        ]
        found = (pods.get(name) for name in set(ready))
        return evenly(_hash(pod) for pod in found if (labels or {}).items() <= labels_of(pod).items())

    def unknown(self, destinations: Iterable[Destination]) -> str:
        """Of what gets traffic, the first subset that the gateway doesn't know, and why; "" of none. In words."""
        for to in (to for to in destinations if to.percent):
            if self._labels(to) is None:
                which = self._rules.lacking(to.service, to.namespace, to.subset)
                return f"it leads to subset {to.subset} of Service {to.namespace}/{to.service}, which {which}"
        return ""

    def unread(self, destinations: Iterable[Destination]) -> str:
        """That there may be DestinationRules for these which the user may not list, in words; "" where he may."""
        refused = self._listed[1] if any(to.subset for to in destinations) else ()
        places = ", ".join(refused)
        return f"you may not list the DestinationRules of {places}, which may say otherwise" if refused else ""

    def _labels(self, to: Destination) -> Mapping[str, str] | None:
        """Those by which a subset chooses pods, {} for all of the Service's; None where there is no such subset."""
        if not to.subset or not to.namespace:  # of something outside, nobody here knows
            return {}
        rule = self._rules.of(to.service, to.namespace)
        return rule.subsets.get(to.subset) if rule else None

    @functools.cached_property
    def _pods(self) -> list[Object]:
        return list(self._cluster.list("v1", "Pod", self.namespace))

    @functools.cached_property
    def _root(self) -> str:
        return mesh_of(self._cluster).root

    @functools.cached_property
    def _rules(self) -> DestinationRules:
        return DestinationRules(self._listed[0], self._proxy, self._root)

    @functools.cached_property
    def _listed(self) -> tuple[list[Object], Mapping[str, ApiError]]:
        kind, places = (destination_rules.API_VERSION, destination_rules.KIND), (self._proxy.namespace, self._root)
        return lists.visible(self._cluster, kind, (self.namespace, *places))


def pods_behind(cluster: Cluster, service: Object) -> list[Object]:
    """The pods that a Service selects: none without a selector, which would be all of its namespace in a list."""
    selector = dig(service, "spec", "selector")
    return list(cluster.list("v1", "Pod", service["metadata"]["namespace"], selector)) if selector else []


def _hash(pod: Any) -> str:
    return str(dig(pod, "metadata", "labels", HASH_LABEL) or "")
