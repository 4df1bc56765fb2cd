"""Whether a workload does its work: what its controller says, held against its pods."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canarylab.kube import health
from canarylab.kube.client import ApiError
from canarylab.kube.objects import Object, condition, pod_trouble
from canarylab.kube.watch import Watch

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

ROLLOUT_VERSION = "argoproj.io/v1alpha1"

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
"""The label of what a Gateway's controller makes for it (https://gateway-api.sigs.k8s.io/geps/gep-1762/)."""


@dataclass(frozen=True)
class _Kind:
    """What there is to ask of a kind: `pods` is how many have to be ready, None where that isn't the question."""

    api_version: str
    health: Callable[[Object, str], str | None]
    pods: Callable[[Object], int] | None = None
    everywhere: bool = True
    """Whether a cluster that a playbook runs on is sure to have it, sooner or later."""


def _replicas(live: Object) -> int:
    return int(live["spec"].get("replicas", 1))


def _nodes(live: Object) -> int:
    return int(live.get("status", {}).get("desiredNumberScheduled", 0))


_KINDS = {
    "Deployment": _Kind("apps/v1", health.deployment_health, _replicas),
    "StatefulSet": _Kind("apps/v1", health.stateful_set_health, _replicas),
    "DaemonSet": _Kind("apps/v1", health.daemon_set_health, _nodes),
    "Job": _Kind("batch/v1", health.job_health),
    "Pod": _Kind("v1", health.pod_health),
    "Rollout": _Kind(ROLLOUT_VERSION, health.rollout_health, _replicas),
    "Gateway": _Kind("gateway.networking.k8s.io/v1", health.gateway_health, everywhere=False),
    "HTTPRoute": _Kind("gateway.networking.k8s.io/v1", health.http_route_health, everywhere=False),
}
"""Each group's only version: another group may have a kind of the same name."""


def watches(namespace: str | None = None, objects: Iterable[Object] = ()) -> tuple[Watch, ...]:
    """What to watch to see every change of any workload's health, and of that of these objects."""
    wanted = {(obj["apiVersion"], obj["kind"]) for obj in objects}
    return tuple(
        Watch(kind.api_version, name, namespace)
        for name, kind in _KINDS.items()
        if kind.everywhere or (kind.api_version, name) in wanted
    )


def workload_health(cluster: Cluster, obj: Object) -> str | None:
    """None where `obj` is a workload in health, or none at all; else the reason and its cause.

    The controller's word is not enough: after a restart of the node it stands there as it was before, for as long
    as the controller waits for the old leader's lease to run out (15 s).
    """
    kind = _KINDS.get(obj["kind"])
    if kind is None or kind.api_version != obj["apiVersion"]:
        return None
    name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace")
    live = cluster.get(kind.api_version, obj["kind"], name, namespace)
    if live is None:  # a Job that ended may have been cleared away since
        is_cleared = "ttlSecondsAfterFinished" in (obj.get("spec") or {})
        return None if is_cleared else f"{obj['kind']} {name} isn't there"
    reason = kind.health(live, name)
    pods = _pods(cluster, live)
    if reason is None and kind.pods and pods is not None:
        wanted, ready = kind.pods(live), sum(map(_is_ready, pods))
        reason = f"{obj['kind']} {name}: {ready} of {wanted} pods ready" if ready < wanted else None
    if reason is None:
        return first_unhealthy(cluster, _carriers(cluster, live))
    cause = _cause(cluster, live, pods or [])
    return f"{reason}; {cause}" if cause and cause not in reason else reason


def first_unhealthy(cluster: Cluster, objects: Iterable[Object]) -> str | None:
    """Why the first of the objects that isn't in health isn't; None where all are."""
    return next(filter(None, (workload_health(cluster, obj) for obj in objects)), None)


def with_images(obj: dict[str, Any], renamed: Callable[[str], str]) -> dict[str, Any]:
    """The object with the images of its pod template under their names in the cluster.

    One that a registry has is asked for at every start of a pod: a node may hold an older one of the same name.
    """
    template = obj.get("spec", {}).get("template", {}) if isinstance(obj.get("spec"), dict) else {}
    if not isinstance(template, dict) or "containers" not in template.get("spec", {}):
        return obj
    obj = copy.deepcopy(obj)
    pod = obj["spec"]["template"]["spec"]
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        if "image" in container and (name := renamed(container["image"])) != container["image"]:
            container |= {"image": name, "imagePullPolicy": "Always"}
    return obj


def _carriers(cluster: Cluster, live: Object) -> Sequence[Object]:
    """What a Gateway's controller deployed to carry its traffic."""
    if live["kind"] != "Gateway":
        return []
    labels = {GATEWAY_NAME: live["metadata"]["name"]}
    return cluster.list("apps/v1", "Deployment", live["metadata"].get("namespace"), labels)


def _pods(cluster: Cluster, live: Object) -> Sequence[Object] | None:
    """Its pods; None where it has no selector of its own: a Rollout may refer to a Deployment's template instead."""
    if live["kind"] == "Pod":
        return [live]
    labels = live["spec"].get("selector", {}).get("matchLabels")
    return cluster.list("v1", "Pod", live["metadata"].get("namespace"), labels) if labels else None


def _is_ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True" and "deletionTimestamp" not in pod["metadata"]


def _cause(cluster: Cluster, live: Object, pods: Sequence[Object]) -> str | None:
    """What the first pod in trouble says: 'image not found' helps more than '0 of 1 available'.

    While a pod is being set up, as with a volume that isn't there, only its events say what is in the way; where
    none can even be created, the controller does.
    """
    running = [pod for pod in pods if pod.get("status", {}).get("phase") != "Failed"]  # those are of an earlier try
    for pod in running or pods:
        if trouble := pod_trouble(pod):
            return trouble
    if unready := next((pod for pod in running if not _is_ready(pod)), None):
        return newest_warning(cluster, unready)
    return condition(live, "ReplicaFailure").get("message") or newest_warning(cluster, live)


def newest_warning(cluster: Cluster, obj: Object) -> str | None:
    """The newest warning among its events."""
    name = obj["metadata"]["name"]
    about = {"involvedObject.kind": obj["kind"], "involvedObject.name": name, "type": "Warning"}
    try:
        events = cluster.list("v1", "Event", obj["metadata"].get("namespace"), fields=about)
    except ApiError:  # not everybody may read them, and they would only have explained
        return None
    newest = max(events, key=_order, default=None)
    return f"{obj['kind']} {name}: {newest.get('reason')}: {newest.get('message', '')}" if newest else None


def _order(event: Object) -> tuple[str, int]:
    """By time; of one second's events the one that says most."""
    time = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return str(time or ""), len(event.get("message", ""))
