"""Pods without a sidecar in a namespace that the playbook wants injected: healthy to look at, and not in the mesh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from canarylab.contract.cause import Cause
from canarylab.errors import StageError
from canarylab.kube import sidecars
from canarylab.kube.objects import dig
from canarylab.rollouts.causes import istio_revision

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_RESTART = {
    "Rollout": "argo rollouts restart",
    "Deployment": "rollout restart deployment",
    "StatefulSet": "rollout restart statefulset",
    "DaemonSet": "rollout restart daemonset",
}


def refuse_uninjected(ctx: Context, objects: Iterable[dict[str, Any]]) -> None:
    """Raise StageError for the first workload that runs such a pod: a pod never gets a sidecar later.

    Namespaces that no stage of the playbook labels are left to whoever labelled them.
    """
    wanted = _wanted(ctx)
    for obj in objects:
        namespace = wanted.get(obj["metadata"].get("namespace"))
        if namespace is not None and obj["kind"] in _RESTART:
            for pod in _without(ctx, obj):
                raise _error(ctx, obj, namespace, pod)


def _wanted(ctx: Context) -> dict[str | None, str]:
    """Namespace to stage, of those that a stage labels for injection."""
    stages = [stage for stage in ctx.playbook.stages if stage.kind == "namespace"]
    return {
        stage.options.namespace: stage.name
        for stage in stages
        if sidecars.are_asked_for({"metadata": {"labels": stage.options.labels}})
    }


def _without(ctx: Context, obj: dict[str, Any]) -> Iterator[dict[str, Any]]:
    labels = dig(obj, "spec", "selector", "matchLabels")
    for pod in ctx.cluster.list("v1", "Pod", obj["metadata"]["namespace"], labels) if labels else ():
        if not ("deletionTimestamp" in pod["metadata"] or sidecars.is_injected(pod) or sidecars.is_exempt(pod)):
            yield pod


def _error(ctx: Context, obj: dict[str, Any], stage: str, pod: dict[str, Any]) -> StageError:
    meta, live = obj["metadata"], ctx.cluster.get("v1", "Namespace", obj["metadata"]["namespace"]) or {"metadata": {}}
    where = f"--context {ctx.cluster.context} --namespace {meta['namespace']}"
    restart = f"`kubectl {_RESTART[obj['kind']]} {meta['name']} {where}`"
    found = istio_revision.unanswered(ctx, live, pod) or Cause(
        sidecars.too_early(live, pod),
        f"{restart} recreates its pods, with sidecars; if it happens at each `{ctx.command('up')}`, {stage} and "
        "istiod are missing among the stage's `needs`",
    )
    return StageError(
        f"Pod {pod['metadata']['name']} of {obj['kind']} {meta['name']} has no sidecar, and stage {stage} asks for one",
        where=f"stage {ctx.stage}",
        why=found.why,
        remedy=found.remedy,
    )
