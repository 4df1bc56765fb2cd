"""Small readings of objects as the API returns them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]
"""An object as the API speaks it, to be read."""

OWNER_LABEL = "canarylab.dev/profile"
"""The label of every object that this tool made; its value is the profile."""


def dig(obj: Any, *path: str) -> Any:
    """What lies under a path of keys; None where there is no such key, or no mapping."""
    for key in path:
        obj = obj.get(key) if isinstance(obj, Mapping) else None
    return obj


def listed(obj: Any, *path: str) -> Sequence[Any]:
    """The list under a path of keys, () where there is none: a malformed one is for the API server to refuse."""
    value = dig(obj, *path)
    return value if isinstance(value, list) else ()


def labels_of(obj: Object | None) -> Mapping[str, str]:
    """The labels, {} where the object has none."""
    return dig(obj, "metadata", "labels") or {}


def annotations_of(obj: Object | None) -> Mapping[str, str]:
    """The annotations, {} where the object has none."""
    return dig(obj, "metadata", "annotations") or {}


def managers_of(obj: Object | None) -> set[str]:
    """The field managers: whoever set some field of the object."""
    return {str(entry.get("manager")) for entry in listed(obj, "metadata", "managedFields")}


def owner_of(obj: Object | None) -> str | None:
    """The profile that made the object, by its label; None where it carries none."""
    return labels_of(obj).get(OWNER_LABEL)


def owned(meta: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """Metadata with the label that `owner_of` reads, beside the labels that it has."""
    return {**meta, "labels": {**(meta.get("labels") or {}), OWNER_LABEL: profile}}


def identity(obj: Object) -> tuple[str, str, str]:
    """What tells an object from the others of its namespace: apiVersion, kind and name."""
    return obj["apiVersion"], obj["kind"], obj["metadata"]["name"]


def is_terminating(obj: Object | None) -> bool:
    """Whether it is being deleted."""
    return dig(obj, "metadata", "deletionTimestamp") is not None


def condition(obj: Object, kind: str) -> dict[str, Any]:
    """The condition of that type, {} where the object has none."""
    conditions = obj.get("status", {}).get("conditions", [])
    return dict(next((found for found in conditions if found.get("type") == kind), {}))


def has_been_healthy(rollout: Object) -> bool:
    """Whether a Rollout ever was. Its first revision is called stable at once, even if none of its pods ever ran.

    Argo's controller adds the condition Healthy when it is so for the first time, and keeps it from then on
    (argo-rollouts, rollout/sync.go, calculateRolloutConditions).
    """
    return bool(condition(rollout, "Healthy"))


def container_statuses(pod: Object) -> list[Any]:
    """Those of its init containers, then of the others; none before they are there."""
    return [*listed(pod, "status", "initContainerStatuses"), *listed(pod, "status", "containerStatuses")]


def last_ending(container: Object) -> Object:
    """How a container ended, by its status: now, or before its last start; {} where it never did."""
    return dig(container, "state", "terminated") or dig(container, "lastState", "terminated") or {}


def pod_trouble(pod: Object) -> str | None:
    """Why a pod doesn't get ready, in its own words: a waiting reason, a failed exit, or that it can't be scheduled."""
    name = pod["metadata"]["name"]
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"Pod {name}: {scheduled.get('message', scheduled.get('reason'))}"
    status = pod.get("status", {})
    for container in container_statuses(pod):
        if trouble := _container_trouble(container):
            return f"Pod {name}, container {container['name']}: {trouble}"
    if status.get("phase") == "Failed":  # evicted, for one: no container says so
        return f"Pod {name} failed: {status.get('reason', 'no reason')}: {status.get('message', 'no message')}"
    return None


def _container_trouble(container: Object) -> str | None:
    waiting = container.get("state", {}).get("waiting", {})
    if waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
        return f"{waiting['reason']}: {waiting.get('message', '')}"
    ended = last_ending(container)
    if ended.get("exitCode") and not container.get("ready"):
        return f"ended with {ended['exitCode']} ({ended.get('reason')})"
    return None


def load_balancers(services: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those of type LoadBalancer, by namespace/name."""
    balanced = (service for service in services if service["spec"].get("type") == "LoadBalancer")
    return {f"{each['metadata']['namespace']}/{each['metadata']['name']}": each for each in balanced}


def load_balancer_address(service: Object) -> str | None:
    """The first address or hostname of a LoadBalancer Service, None while it is pending."""
    for ingress in service.get("status", {}).get("loadBalancer", {}).get("ingress", []):
        return str(ingress.get("ip") or ingress.get("hostname"))
    return None
