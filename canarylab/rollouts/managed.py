"""What Argo's controller, or an autoscaler, writes into objects that somebody else applies: left as it is.

Known from the Rollouts that are there: weights and managed routes of VirtualServices and HTTPRoutes, the hash in
selectors and subsets, destinations and subsets of an experiment, and the replicas of a Deployment that workloadRef
scales down (argo-rollouts, rollout/trafficrouting/istio/istio.go, rollout/service.go and rollout/sync.go, v1.10.1).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from canarylab.kube.client import ApiError, is_served
from canarylab.kube.objects import Object, dig, has_been_healthy, listed
from canarylab.rollouts.revisions import HASH_LABEL
from canarylab.rollouts.routes.virtual_services import target
from canarylab.rollouts.traffic_routing import (
    ISTIO,
    ListedVirtualService,
    StableAndCanary,
    listed_http_routes,
    listed_virtual_services,
    managed_routes,
    services_of,
)
from canarylab.rollouts.view import API_VERSION

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

_SCALERS = (("autoscaling/v2", "HorizontalPodAutoscaler"), ("keda.sh/v1alpha1", "ScaledObject"))
_SCALING_DOWN = ("onsuccess", "progressively")


def scales_down(rollout: Object, workload: Object) -> bool:
    """Whether Argo takes the pods of a Deployment away, as the Rollout that has its template says."""
    return refers_to(rollout, workload) and dig(rollout, "spec", "workloadRef", "scaleDown") in _SCALING_DOWN


def refers_to(rollout: Object, workload: Object) -> bool:
    """Whether the Rollout has its template from this workload."""
    return _is(dig(rollout, "spec", "workloadRef"), workload, rollout)


def scaled_by(scalers: Iterable[Object], workload: Object) -> Object | None:
    """The autoscaler that sets the number of its pods: whatever has a scaleTargetRef that names it."""
    return next((one for one in scalers if _is(dig(one, "spec", "scaleTargetRef"), workload, one)), None)


def _is(reference: Any, workload: Object, holder: Object) -> bool:
    """Whether an object of the same namespace is named; KEDA means a Deployment where no kind is written."""
    group = str(dig(reference, "apiVersion") or workload["apiVersion"]).partition("/")[0]
    named = (group, dig(reference, "kind") or "Deployment", dig(reference, "name"))
    meta = workload["metadata"]
    is_there = dig(holder, "metadata", "namespace") == meta.get("namespace")
    return is_there and named == (workload["apiVersion"].partition("/")[0], workload["kind"], meta["name"])


class Managed:
    """The Rollouts and the autoscalers of a cluster, and what is theirs in other objects."""

    def __init__(self, rollouts: Sequence[Object] = (), scalers: Sequence[Object] = ()) -> None:
        self._rollouts, self._scalers = rollouts, scalers

    @classmethod
    def read(cls, cluster: Cluster, objects: Iterable[Object]) -> Managed:
        """From the cluster, as far as these objects may have something of theirs."""
        scaled = [one for one in objects if dig(one, "spec", "replicas") is not None]
        concerned = scaled + [one for one in objects if one["kind"] in _BY_KIND]
        namespaces = sorted({str(one["metadata"].get("namespace")) for one in concerned})
        rollouts = _all(cluster, API_VERSION, "Rollout", namespaces) if concerned else []
        scalers = [one for kind in _SCALERS for one in _all(cluster, *kind, namespaces)] if scaled else []
        return cls(rollouts, scalers)

    def concerns(self, obj: Object) -> bool:
        """Whether something of the object may be theirs."""
        return bool(self._rollouts or self._scalers) and (
            obj["kind"] in _BY_KIND or dig(obj, "spec", "replicas") is not None
        )

    def scaler_of(self, workload: Object) -> Object | None:
        """The autoscaler that the cluster has for it."""
        return scaled_by(self._scalers, workload)

    def left(self, wanted: dict[str, Any], live: Object | None) -> dict[str, Any]:
        """`wanted`, with what is managed as it is in `live`, the object of that name. Pure.

        Where there is none (any more), a Deployment begins as Argo has left it: it scales one down only at the first
        revision of its Rollout.
        """
        result = copy.deepcopy(wanted)
        if live is None:
            if dig(wanted, "spec", "replicas") and any(_has_moved(rollout, wanted) for rollout in self._rollouts):
                result["spec"]["replicas"] = 0
            return result
        if dig(wanted, "spec", "replicas") is not None and self._is_scaled(wanted):
            result["spec"]["replicas"] = dig(live, "spec", "replicas")
        if leave := _BY_KIND.get(wanted["kind"]):
            for rollout in self._rollouts:
                leave(rollout, result, live)
        return result

    def _is_scaled(self, workload: Object) -> bool:
        return bool(self.scaler_of(workload)) or any(scales_down(rollout, workload) for rollout in self._rollouts)


def _has_moved(rollout: Object, workload: Object) -> bool:
    return scales_down(rollout, workload) and has_been_healthy(rollout)


def _all(cluster: Cluster, api_version: str, kind: str, namespaces: Sequence[str]) -> list[Object]:
    """Those of all namespaces, or of these where no more may be seen: a Rollout may write into another's."""
    if not is_served(cluster, api_version, kind):
        return []
    try:
        return list(cluster.list(api_version, kind))
    except ApiError:
        return [one for namespace in namespaces for one in _of(cluster, api_version, kind, namespace)]


def _of(cluster: Cluster, api_version: str, kind: str, namespace: str) -> list[Object]:
    try:
        return list(cluster.list(api_version, kind, namespace))
    except ApiError:  # not even those: nothing is known to be managed, and what is applied is what was written
        return []


def _is_among(obj: Object, names: Iterable[tuple[str, str | None]]) -> bool:
    meta = obj["metadata"]
    return (meta["name"], meta.get("namespace")) in names


# -- by kind ----------------------------------------------------------------------------------------------------------


def _service(rollout: Object, wanted: dict[str, Any], live: Object) -> None:
    namespace = dig(rollout, "metadata", "namespace")
    if _is_among(wanted, [(name, namespace) for _, name in services_of(rollout)]):
        _keep_hash(dig(wanted, "spec", "selector"), dig(live, "spec", "selector"))


def _destination_rule(rollout: Object, wanted: dict[str, Any], live: Object) -> None:
    rule, namespace = dig(rollout, *ISTIO, "destinationRule"), dig(rollout, "metadata", "namespace")
    if not _is_among(wanted, [(str(dig(rule, "name")), namespace)]):
        return
    names, there = (dig(rule, "stableSubsetName"), dig(rule, "canarySubsetName")), _by_name(live, "spec", "subsets")
    for subset in listed(wanted, "spec", "subsets"):
        if (found := there.get(dig(subset, "name"))) and subset["name"] in names and dig(found, "labels"):
            _keep_hash(subset.setdefault("labels", {}), found["labels"])
    _add(wanted, "subsets", [there[name] for name in _experimental(rollout) if name in there])


def _virtual_service(rollout: Object, wanted: dict[str, Any], live: Object) -> None:
    made = managed_routes(rollout)

    def is_made(route: Any) -> bool:
        return dig(route, "name") in made

    for entry in listed_virtual_services(rollout):
        if not _is_among(wanted, [(entry.name, entry.namespace)]):
            continue
        http, before = listed(wanted, "spec", "http"), listed(live, "spec", "http")
        for route, found in _paired(http, [one for one in before if not is_made(one)]):
            if _is_weighed(route, entry):
                _keep_destinations(rollout, route, found)
        for protocol in ("tls", "tcp"):
            for route, found in _paired(listed(wanted, "spec", protocol), listed(live, "spec", protocol)):
                _keep_destinations(rollout, route, found)
        if made and http:
            wanted["spec"]["http"] = _woven(before, [one for one in http if not is_made(one)], is_made)


def _http_route(rollout: Object, wanted: dict[str, Any], live: Object) -> None:
    if not _is_among(wanted, listed_http_routes(rollout)):
        return
    both, rules = StableAndCanary.of(rollout), listed(wanted, "spec", "rules")
    matches = [dig(rule, "matches") for rule in rules]

    def is_made(rule: Any) -> bool:
        """Argo's plugin gives its rules no name: one for the canary alone, for requests that no other rule names."""
        names = {dig(one, "name") for one in listed(rule, "backendRefs")}
        return bool(managed_routes(rollout)) and names == {both.canary} and dig(rule, "matches") not in matches

    before = listed(live, "spec", "rules")
    for rule, found in _paired(rules, [one for one in before if not is_made(one)]):
        for backend in listed(rule, "backendRefs"):
            for there in listed(found, "backendRefs"):
                if both.role(str(dig(backend, "name")), "") and dig(there, "name") == dig(backend, "name"):
                    _keep_weight(backend, there)
    if rules:
        wanted["spec"]["rules"] = _woven(before, rules, is_made)


_BY_KIND: Mapping[str, Callable[[Object, dict[str, Any], Object], None]] = {
    "Service": _service,
    "DestinationRule": _destination_rule,
    "VirtualService": _virtual_service,
    "HTTPRoute": _http_route,
}


# -- parts ------------------------------------------------------------------------------------------------------------


def _keep_hash(wanted: Any, live: Any) -> None:
    """The pod-template-hash is the controller's, and the other labels are not."""
    if isinstance(wanted, dict) and dig(live, HASH_LABEL):
        wanted[HASH_LABEL] = live[HASH_LABEL]


def _keep_weight(wanted: dict[str, Any], live: Object) -> None:
    wanted.pop("weight", None)
    if dig(live, "weight") is not None:
        wanted["weight"] = live["weight"]


def _keep_destinations(rollout: Object, wanted: dict[str, Any], live: Object) -> None:
    """The weights of stable and canary, and what an experiment has put beside them."""
    both, there = StableAndCanary.of(rollout), {target(one): one for one in listed(live, "route")}
    for destination in listed(wanted, "route"):
        to = target(destination)
        if both.role(*to) and to in there:
            _keep_weight(destination, there[to])
    extra = [one for to, one in there.items() if set(to) & set(_experimental(rollout))]
    if extra and dig(wanted, "route"):
        wanted["route"] = [*wanted["route"], *(one for one in copy.deepcopy(extra) if one not in wanted["route"])]


def _experimental(rollout: Object) -> list[str]:
    """The Services of an experiment that gets traffic now."""
    additional = listed(rollout, "status", "canary", "weights", "additional")
    return [str(name) for one in additional if (name := dig(one, "serviceName"))]


def _is_weighed(route: Any, entry: ListedVirtualService) -> bool:
    return not entry.routes or dig(route, "name") in entry.routes


def _paired(wanted: Sequence[Any], live: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Each route that is wanted beside the one that is there: of the same name, else at the same place."""
    names = {dig(one, "name"): one for one in live if dig(one, "name")}
    found = [(one, names.get(dig(one, "name"), live[at] if at < len(live) else None)) for at, one in enumerate(wanted)]
    return [(one, there) for one, there in found if there is not None and dig(one, "name") == dig(there, "name")]


def _woven(live: Sequence[Any], wanted: Sequence[Any], is_made: Callable[[Any], bool]) -> list[Any]:
    """What is wanted, and between it, where it is now, what the controller has made."""
    rest = iter(wanted)
    found = (copy.deepcopy(one) if is_made(one) else next(rest, None) for one in live)
    return [*(one for one in found if one is not None), *rest]


def _by_name(obj: Object, *path: str) -> dict[Any, Any]:
    return {dig(one, "name"): one for one in listed(obj, *path)}


def _add(wanted: dict[str, Any], key: str, extra: Sequence[Any]) -> None:
    there = listed(wanted, "spec", key)
    names = [dig(one, "name") for one in there]
    if more := [copy.deepcopy(one) for one in extra if dig(one, "name") not in names]:
        wanted["spec"][key] = [*there, *more]
