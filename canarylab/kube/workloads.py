"""Whether a workload does its work: what its controller says, held against its pods."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from canarylab.kube.objects import condition, deployment_health, pod_trouble, rollout_health

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

_HEALTH = {"Deployment": deployment_health, "Rollout": rollout_health}


def workload_health(cluster: Cluster, obj: dict[str, Any]) -> str | None:
    """None where `obj` is a Deployment or Rollout in health, or of another kind; else the reason and its cause.

    The controller's word is not enough: after a restart of the node it stands there as it was before, for as long
    as the controller waits for the old leader's lease to run out (15 s).
    """
    if obj["kind"] not in _HEALTH:
        return None
    kind, name, namespace = obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace")
    live = cluster.get(obj["apiVersion"], kind, name, namespace)
    reason = _HEALTH[kind](live, name)
    selector = (live or obj)["spec"].get("selector", {}).get("matchLabels")
    if not selector:  # a Rollout may refer to a Deployment's template instead
        return reason
    pods = cluster.list("v1", "Pod", namespace, selector)
    if reason is None and live is not None:
        wanted, ready = live["spec"].get("replicas", 1), sum(map(_is_ready, pods))
        reason = f"{kind} {name}: {ready} of {wanted} pods ready" if ready < wanted else None
    return reason and "; ".join([reason, *_first_trouble(pods)])


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


def _is_ready(pod: dict[str, Any]) -> bool:
    return condition(pod, "Ready").get("status") == "True" and "deletionTimestamp" not in pod["metadata"]


def _first_trouble(pods: list[dict[str, Any]]) -> list[str]:
    """What the first pod in trouble says: 'image not found' helps more than '0 of 1 available'."""
    return [trouble for pod in pods if (trouble := pod_trouble(pod))][:1]
