"""Restarts workloads of a stage whose sidecars have certificates of an authority that istiod isn't any more."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from canarylab.contract.stage import Change
from canarylab.kube.apply import subject
from canarylab.kube.objects import dig
from canarylab.kube.times import timestamp
from canarylab.rollouts.causes import replaced_authority

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Rollout")
_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""What `kubectl rollout restart` sets (kubectl, pkg/polymorphichelpers/objectrestarter.go)."""


def is_outdated(ctx: Context, obj: dict[str, Any]) -> bool:
    """Whether the object is a workload that runs such a pod. Reads only."""
    labels = dig(obj, "spec", "selector", "matchLabels") if obj["kind"] in _WORKLOADS else None
    pods = ctx.cluster.list("v1", "Pod", obj["metadata"].get("namespace"), labels) if labels else []
    return bool(replaced_authority.outdated(ctx.cluster, pods))


def change(obj: dict[str, Any]) -> Change:
    """What is to be done about it."""
    return Change("repair", subject(obj), f"its pods {replaced_authority.STILL_HAVE}, and have to be made anew")


def restart(ctx: Context, objects: Iterable[dict[str, Any]]) -> None:
    """Have their controllers make their pods anew, as many at a time as each of them allows."""
    now = timestamp(time.time())
    for obj in objects:
        ctx.progress(f"restarting {subject(obj)}")
        body: dict[str, Any] = {"spec": {"restartAt": now}}  # Argo's own way (argo-rollouts, rollout/restart.go)
        if obj["kind"] != "Rollout":
            body = {"spec": {"template": {"metadata": {"annotations": {_RESTARTED_AT: now}}}}}
        meta = obj["metadata"]
        ctx.cluster.patch(obj["apiVersion"], obj["kind"], meta["name"], body, meta.get("namespace"))
