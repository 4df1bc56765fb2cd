"""Pods that have no sidecar although one is expected, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.kube import sidecars
from canarylab.kube.objects import Object
from canarylab.rollouts.causes import istio_revision
from canarylab.rollouts.causes.pods import Pods, pods_of
from canarylab.rollouts.causes.remedies import kubectl, plugin
from canarylab.rollouts.revisions import RevisionView
from canarylab.rollouts.view import RolloutView

if TYPE_CHECKING:
    from canarylab.contract.context import Context

NO_SIDECAR = (
    "most likely it lacks a sidecar: a pod gets one only if its namespace had the label istio-injection=enabled before "
    "the pod began"
)


_REPLACING = ("rollout is restarting", "waiting for rollout spec update to be observed")
"""What Argo's controller says while pods may be recreated."""


def may_come(view: RolloutView, shown: RevisionView) -> bool:
    """Whether a revision's pods may still be replaced: by a restart under way, or by the update's own end. Pure.

    A pod never gets another container.
    """
    if view.phase != "Progressing":
        return False
    return shown.hash != view.current_hash or view.message in _REPLACING


def missed(ctx: Context, view: RolloutView, pods: Pods) -> Cause | None:
    """Why the first pod in use has none; None where every one has."""
    its = [pod for one in view.revisions if one.role for pod in pods_of(one, pods)]
    without = next((pod for pod in its if not sidecars.is_injected(pod)), None)
    if without is None:
        return None
    return _why(ctx, view, ctx.cluster.get("v1", "Namespace", view.namespace) or {}, without)


def fewer_containers(ctx: Context, view: RolloutView) -> Cause:
    """Where none lacks a sidecar: then it is the template that has fewer than was expected."""
    show = kubectl(ctx, view, f"get rollout {view.name} --output yaml")
    why = "every pod in use has its sidecar: the template itself has fewer containers than that"
    return Cause(why, f"write what `{show}` shows under the step's `pods`, or give the template the container it lacks")


def _why(ctx: Context, view: RolloutView, namespace: Object, pod: Object) -> Cause:
    name, up = pod["metadata"]["name"], ctx.command("up")
    restart = plugin(ctx, view, f"restart {view.name}")
    if sidecars.is_exempt(pod):
        show = kubectl(ctx, view, f"get pod {name} --output yaml")
        why = f"Pod {name} has no sidecar: it asks for none (sidecar.istio.io/inject: false, or hostNetwork)"
        return Cause(why, f"take that out of the Rollout's template (`{show}` shows it), then `{up}`")
    if not sidecars.are_asked_for(namespace):
        why = f"Pod {name} has no sidecar: namespace {view.namespace} doesn't have the label istio-injection=enabled"
        stage = "a stage of kind namespace with `labels: {istio-injection: enabled}`"
        return Cause(why, f"`{up}` sets it, if the playbook has {stage}; then `{restart}` recreates the pods")
    if found := istio_revision.unanswered(ctx, namespace, pod):
        return Cause(f"Pod {name} has no sidecar: {found.why}", found.remedy)
    why = f"Pod {name} has no sidecar: {sidecars.too_early(namespace, pod)}"
    return Cause(why, f"`{restart}` recreates the pods, with sidecars; then the same command again")
