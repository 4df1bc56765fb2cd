"""Small readings of objects as the API returns them. Pure."""

from __future__ import annotations

from typing import Any


def condition(obj: dict[str, Any], kind: str) -> dict[str, Any]:
    """The condition of that type, {} where the object has none."""
    for found in obj.get("status", {}).get("conditions", []):
        if found.get("type") == kind:
            return dict(found)
    return {}


def deployment_health(deployment: dict[str, Any] | None, name: str) -> str | None:
    """None once every replica that is wanted runs the newest template and is available (kubectl rollout status)."""
    if deployment is None:
        return f"Deployment {name} isn't there"
    status, meta = deployment.get("status", {}), deployment["metadata"]
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        return f"Deployment {name} wasn't looked at yet"
    progressing = condition(deployment, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return f"Deployment {name}: {progressing.get('message')}"
    wanted = deployment["spec"].get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted or available < wanted:
        return f"Deployment {name}: {available} of {wanted} pods available"
    if status.get("replicas", 0) > updated:
        return f"Deployment {name}: {status['replicas'] - updated} old pods still run"
    return None


def rollout_health(rollout: dict[str, Any] | None, name: str) -> str | None:
    """None where the Rollout's controller says Healthy, or Paused: a canary in progress is no fault of the stage."""
    if rollout is None:
        return f"Rollout {name} isn't there"
    status = rollout.get("status", {})
    if status.get("observedGeneration") != str(rollout["metadata"].get("generation")):
        return f"Rollout {name} wasn't looked at yet by Argo's controller"
    if status.get("phase") in ("Healthy", "Paused"):
        return None
    return f"Rollout {name} is {status.get('phase', 'new')}: {status.get('message', 'no message')}"


def pod_trouble(pod: dict[str, Any]) -> str | None:
    """Why a pod doesn't get ready, in its own words: a waiting reason, a failed exit, or that it can't be scheduled."""
    name = pod["metadata"]["name"]
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"Pod {name}: {scheduled.get('message', scheduled.get('reason'))}"
    status = pod.get("status", {})
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            return f"Pod {name}, container {container['name']}: {waiting['reason']}: {waiting.get('message', '')}"
        ended = container.get("lastState", {}).get("terminated", {})
        if ended.get("exitCode") and not container.get("ready"):
            return f"Pod {name}, container {container['name']}: ended with {ended['exitCode']} ({ended.get('reason')})"
    return None


def load_balancer_address(service: dict[str, Any]) -> str | None:
    """The first address or hostname of a LoadBalancer Service, None while it is pending."""
    for ingress in service.get("status", {}).get("loadBalancer", {}).get("ingress", []):
        return str(ingress.get("ip") or ingress.get("hostname"))
    return None
