"""Whether a workload's controller has done what is asked of it, as `kubectl rollout status` and `kubectl wait` say.

Each takes the object as it is there, and returns None or why it isn't well. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from canarylab.kube.objects import Object, condition, pod_trouble

_MANAGER = "kube-controller-manager"
_ARGO = "Argo's controller (argo-rollouts)"


def deployment_health(deployment: Object, name: str) -> str | None:
    """None once every replica that is wanted runs the newest template and is available."""
    if _is_unseen(deployment):
        return _unseen("Deployment", name, _MANAGER)
    status, progressing = deployment.get("status", {}), condition(deployment, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return f"Deployment {name}: {progressing.get('message')}"
    wanted = deployment["spec"].get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted or available < wanted:
        return f"Deployment {name}: {available} of {wanted} pods available"
    if (old := status.get("replicas", 0) - updated) > 0:
        return f"Deployment {name}: {old} old {'pod still runs' if old == 1 else 'pods still run'}"
    return None


def stateful_set_health(stateful_set: Object, name: str) -> str | None:
    """None once all pods are ready, and those that its update reaches run the newest template."""
    if _is_unseen(stateful_set):
        return _unseen("StatefulSet", name, _MANAGER)
    spec, status = stateful_set["spec"], stateful_set.get("status", {})
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    if ready < wanted:
        return f"StatefulSet {name}: {ready} of {wanted} pods ready"
    strategy = spec.get("updateStrategy") or {}
    by_hand = strategy.get("type", "RollingUpdate") != "RollingUpdate"  # OnDelete: somebody deletes the old pods
    if by_hand or status.get("updateRevision") == status.get("currentRevision"):
        return None
    reached = wanted - ((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    updated = status.get("updatedReplicas", 0)
    return f"StatefulSet {name}: {updated} of {reached} pods updated" if updated < reached else None


def daemon_set_health(daemon_set: Object, name: str) -> str | None:
    """None once every node that it is for has an available pod of the newest template."""
    if _is_unseen(daemon_set):
        return _unseen("DaemonSet", name, _MANAGER)
    status = daemon_set.get("status", {})
    wanted, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
    by_hand = (daemon_set["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"
    if updated < wanted and not by_hand:
        return f"DaemonSet {name}: {updated} of {wanted} pods updated"
    available = status.get("numberAvailable", 0)
    return f"DaemonSet {name}: {available} of {wanted} pods available" if available < wanted else None


def job_health(job: Object, name: str) -> str | None:
    """None once it is complete, or while it is suspended as its spec wants it."""
    if condition(job, "Complete").get("status") == "True" or job["spec"].get("suspend"):
        return None
    failed = condition(job, "Failed")
    if failed.get("status") == "True":
        return f"Job {name} failed: {failed.get('reason')}: {failed.get('message')}"
    wanted, succeeded = job["spec"].get("completions") or 1, job.get("status", {}).get("succeeded", 0)
    return f"Job {name}: {succeeded} of {wanted} completions"


def pod_health(pod: Object, name: str) -> str | None:
    """None once it is ready, or has come to a good end."""
    phase = pod.get("status", {}).get("phase", "Pending")
    if condition(pod, "Ready").get("status") == "True" or phase == "Succeeded":
        return None
    return pod_trouble(pod) or f"Pod {name} isn't ready: {phase}"


def rollout_health(rollout: Object, name: str) -> str | None:
    """None where the Rollout's controller says Healthy, or Paused: a canary in progress is no fault of the stage."""
    status = rollout.get("status", {})
    if status.get("observedGeneration") != str(rollout["metadata"].get("generation")):
        return _unseen("Rollout", name, _ARGO)
    if status.get("phase") in ("Healthy", "Paused"):
        return None
    return f"Rollout {name} is {status.get('phase', 'new')}: {status.get('message', 'no message')}"


def gateway_health(gateway: Object, name: str) -> str | None:
    """None once its controller has accepted it and made what carries its traffic; an address may be lacking.

    Programmed is what to wait for (https://gateway-api.sigs.k8s.io/geps/gep-1364/), but an address is somebody else's
    to give: without a load balancer there is none.
    """
    lacks_address = condition(gateway, "Programmed").get("reason") == "AddressNotAssigned"
    kinds = ("Accepted",) if lacks_address else ("Accepted", "Programmed")
    if unmet := _unmet(gateway, gateway["metadata"].get("generation", 0), kinds):
        return f"Gateway {name} isn't {unmet}"
    for listener in gateway.get("status", {}).get("listeners", []):  # of a certificate that isn't there only this says
        status = {"status": listener}
        if condition(status, "ResolvedRefs").get("status") == "False":
            return f"Gateway {name}, listener {listener.get('name')} isn't {_unmet(status, 0, ('ResolvedRefs',))}"
    return None


def http_route_health(route: Object, name: str) -> str | None:
    """None once a controller has taken it for each of its Gateways, and found all that it refers to."""
    generation = route["metadata"].get("generation", 0)
    parents = route.get("status", {}).get("parents", [])
    if len(parents) < len(route["spec"].get("parentRefs", [])):
        return f"HTTPRoute {name}: no controller has taken it for each of its Gateways yet"
    for parent in parents:
        if unmet := _unmet({"status": parent}, generation, ("Accepted", "ResolvedRefs")):
            return f"HTTPRoute {name} for Gateway {parent['parentRef']['name']} isn't {unmet}"
    return None


def _unmet(obj: Object, generation: int, kinds: Iterable[str]) -> str | None:
    """The first of these conditions that doesn't hold for the newest spec, with what is said of it."""
    for kind in kinds:
        found = condition(obj, kind)
        if found.get("status") != "True":
            return f"{kind}: {found.get('reason', 'nothing is said of it')}: {found.get('message', 'no message')}"
        if found.get("observedGeneration", 0) < generation:
            return f"{kind} with its newest spec yet"
    return None


def _is_unseen(obj: Object) -> bool:
    return bool(obj.get("status", {}).get("observedGeneration", 0) < obj["metadata"].get("generation", 0))


def _unseen(kind: str, name: str, controller: str) -> str:
    return f"{kind} {name}: {controller} hasn't acted on its newest spec yet"
