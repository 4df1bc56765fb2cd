"""Argo's controller as it is in the cluster: whose it is, and whether the one that acts has its plugins.

It reads its plugins when it starts, and says nothing of them afterwards. So its pods carry the time at
which the plugins were configured, as an annotation: another time makes new pods.
"""

from __future__ import annotations

import json
import re

from canarylab.contract.context import Context
from canarylab.kube.client import Cluster
from canarylab.kube.objects import Object, annotations_of, dig, listed
from canarylab.rollouts.causes.controller import LABELS

NAME = "argo-rollouts"

CONFIGURED_AT = "canarylab.dev/plugins-configured-at"

_LEASE = ("coordination.k8s.io/v1", "Lease", "argo-rollouts-controller-lock")
_ENDS = 2
"""How often it may end while it loads its plugins: a download fails now and then."""

_LOADING = {
    "startupProbe": {"httpGet": {"path": "/healthz", "port": "healthz"}, "periodSeconds": 2, "failureThreshold": 150},
    "terminationMessagePolicy": "FallbackToLogsOnError",
}
"""It answers only once it has its plugins. Until then it must not be taken for one that runs, so that the former one
stays; nor for one that hangs: by its liveness probe it would be ended after 70 s, and a plugin has 78 MB. What it says
when it can't load them is kept."""


def foreign_controller(ctx: Context) -> Object | None:
    """The first controller that isn't ours, on a cluster that isn't."""
    return next(iter(ctx.ownership.others(ctx, "apps/v1", "Deployment", LABELS)), None)


def pod_template(configured_at: str) -> Object:
    """What is set on its pods where there are plugins: a part of its Deployment's template."""
    return {
        "metadata": {"annotations": {CONFIGURED_AT: configured_at}},
        "spec": {"containers": [{"name": NAME, **_LOADING}]},
    }


def names_configuration_time(template: Object) -> bool:
    """Whether a pod template says since when plugins are configured."""
    return CONFIGURED_AT in annotations_of(template)


def leads(cluster: Cluster, namespace: str, configured_at: str) -> bool:
    """Whether the controller that acts is one that was started with what is configured."""
    _, pod = _leader(cluster, namespace)
    return annotations_of(pod).get(CONFIGURED_AT) == configured_at


def free_lead(cluster: Cluster, namespace: str) -> None:
    """Take the lead from a controller whose pod is gone: it holds it for 15 s more, and nobody acts meanwhile."""
    holder, pod = _leader(cluster, namespace)
    if holder and pod is None:
        cluster.delete(*_LEASE, namespace)


def _leader(cluster: Cluster, namespace: str) -> tuple[str, Object | None]:
    """The pod that the lease names, "" for none, and the pod itself if it is there."""
    name = str(dig(cluster.get(*_LEASE, namespace), "spec", "holderIdentity") or "").partition("_")[0]  # POD_UUID
    return name, cluster.get("v1", "Pod", name, namespace) if name else None


def last_words(cluster: Cluster, namespace: str, configured_at: str) -> str | None:
    """What one said that ended more than once while it loaded its plugins."""
    pods = cluster.list("v1", "Pod", namespace, LABELS)
    new = (pod for pod in pods if annotations_of(pod).get(CONFIGURED_AT) == configured_at)
    for container in (container for pod in new for container in listed(pod, "status", "containerStatuses")):
        if container.get("restartCount", 0) >= _ENDS and not container.get("ready"):
            ended = dig(container, "lastState", "terminated") or {}
            return _said(str(ended.get("message", ""))) or f"it ended with {ended.get('exitCode')}"
    return None


def _said(log: str) -> str:
    """The message of the last line, as its controller writes them: time=... level=fatal msg="..."."""
    line = (log.strip().splitlines() or [""])[-1]
    found = re.search(r'msg=("(?:[^"\\]|\\.)*")', line)
    return str(json.loads(found[1])) if found else line
