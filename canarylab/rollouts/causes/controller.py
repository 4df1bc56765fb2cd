"""Whether Argo's controller is there to do what a Rollout waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.kube.client import ApiError
from canarylab.kube.objects import condition, dig

if TYPE_CHECKING:
    from canarylab.contract.context import Context

LABELS = {"app.kubernetes.io/name": "argo-rollouts"}
"""Of Argo's controller and its pods, by whichever manifest or chart it was installed."""


def away(ctx: Context) -> Cause | None:
    """That no pod of the controller is ready: then nothing that a Rollout waits for comes, be it after an abort."""
    try:
        pods = ctx.cluster.list("v1", "Pod", None, LABELS)
        deployments = ctx.cluster.list("apps/v1", "Deployment", None, LABELS)
    except ApiError:  # not everybody may look into all namespaces
        return None
    if not deployments or any(condition(pod, "Ready").get("status") == "True" for pod in pods):
        return None
    meta = deployments[0]["metadata"]
    name, kubectl = f"Deployment {meta['namespace']}/{meta['name']}", f"kubectl --context {ctx.cluster.context}"
    where = f"--namespace {meta['namespace']}"
    if dig(deployments[0], "spec", "replicas") == 0:
        scale = f"`{kubectl} {where} scale deployment {meta['name']} --replicas 1`"
        return Cause(
            f"nobody acts on Rollouts: {name}, Argo's controller, is scaled to 0", scale, permanent=True, halts=True
        )
    why = f"nobody acts on Rollouts: no pod of {name}, Argo's controller, is ready"
    return Cause(why, f"`{kubectl} {where} get pods` shows why; `{ctx.command('up')}` repairs what is the playbook's")
