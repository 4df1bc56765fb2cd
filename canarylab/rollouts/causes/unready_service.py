"""Whether anybody stands behind a Service, and what keeps its pods from being ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.kube.client import is_served
from canarylab.kube.objects import Object, condition, dig, labels_of, listed
from canarylab.kube.workloads import ROLLOUT_VERSION, workload_health
from canarylab.rollouts.causes.mesh.ports import known_ports, service_port
from canarylab.rollouts.routes.backends import pods_behind

if TYPE_CHECKING:
    from canarylab.contract.context import Context


def closed_at(ctx: Context, namespace: str, name: str, port: int) -> Cause | None:
    """Why nobody answers at a port of a Service; None where nothing is found. Raises ApiError without an answer."""
    service = ctx.cluster.get("v1", "Service", name, namespace)
    up = f"`{ctx.command('up')}` brings back what is the playbook's"
    if service is None:
        return Cause(f"there is no Service {namespace}/{name}", up, permanent=True)
    if listed(service, "spec", "ports") and service_port(service, port) is None:
        why = f"Service {namespace}/{name} has no port {port}; it has {known_ports(service)}"
        return Cause(why, "write one of them as the step's `http-port` or `tls-port`", permanent=True)
    return nobody_behind(ctx, service)


def nobody_behind(ctx: Context, service: Object) -> Cause | None:
    """Why no pod of a Service is ready; None where one is, or it selects none. Raises ApiError without an answer."""
    namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
    pods = pods_behind(ctx.cluster, service)
    if not dig(service, "spec", "selector") or any(condition(pod, "Ready").get("status") == "True" for pod in pods):
        return None
    kubectl = f"kubectl --context {ctx.cluster.context} --namespace {namespace}"
    owners = _deployments(ctx, service)
    for owner in (one["metadata"]["name"] for one in owners if dig(one, "spec", "replicas") == 0):
        why = f"no pod is behind Service {namespace}/{name}: Deployment {owner} is scaled to 0"
        return Cause(why, f"`{kubectl} scale deployment {owner} --replicas 1`", permanent=True)
    said = next(filter(None, (workload_health(ctx.cluster, one) for one in owners)), "")
    why = f"no pod behind Service {namespace}/{name} is ready{f' ({said})' if said else ''}"
    return Cause(why, f"`{kubectl} get pods` shows why; `{ctx.command('up')}` repairs what is the playbook's")


def _deployments(ctx: Context, service: Object) -> list[Object]:
    """Those whose pods the Service selects."""
    namespace, selector = service["metadata"]["namespace"], dig(service, "spec", "selector") or {}
    found = ctx.cluster.list("apps/v1", "Deployment", namespace)
    is_known = is_served(ctx.cluster, ROLLOUT_VERSION, "Rollout")
    rollouts = ctx.cluster.list(ROLLOUT_VERSION, "Rollout", namespace) if is_known else []
    templates = {dig(one, "spec", "workloadRef", "name") for one in rollouts}  # which Argo scales to 0
    return [
        one
        for one in found
        if selector.items() <= labels_of(dig(one, "spec", "template")).items()
        if one["metadata"]["name"] not in templates
    ]
