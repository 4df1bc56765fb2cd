"""Why the pods of the wanted revision don't become ready: no image, a crash, a failing probe, no pod at all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.kube.objects import Object, condition, container_statuses, dig, last_ending, pod_trouble
from canarylab.kube.times import epoch
from canarylab.kube.workloads import newest_warning
from canarylab.rollouts.causes.refusals import Refused, refusal
from canarylab.rollouts.causes.remedies import kubectl, or_reset
from canarylab.rollouts.revisions import RevisionView, images_of
from canarylab.rollouts.strategy import PROGRESS_DEADLINE
from canarylab.rollouts.validation import missing_images
from canarylab.rollouts.view import RolloutView

if TYPE_CHECKING:
    from canarylab.contract.context import Context

Pods = Sequence[Object]
"""As the API returns them."""

_NO_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ErrImageInspect")
_FOR_GOOD = (
    "ErrImageNeverPull",
    "InvalidImageName",
    '"localhost/',
    "not found",
    "manifest unknown",
    "denied",
    "unauthorized",
    "no match for platform",
    "dial tcp: lookup",
)
"""Words of a failed pull that trying again doesn't change; what else there is, such as a timeout, may pass."""


def image_never_comes(view: RolloutView) -> bool:
    """Whether a pod of the wanted revision will never have its image. Pure."""
    wanted = view.wanted
    # Until the controller has seen a new template, the newest revision is that of the last one.
    if wanted is None or dict(wanted.images) != dict(view.images):
        return False
    troubles = [pod.trouble for pod in wanted.pods if pod.trouble and not pod.terminating]
    return any(_has(trouble, _NO_IMAGE) and _has(trouble, _FOR_GOOD) for trouble in troubles)


def unready_cause(ctx: Context, rollout: Object, view: RolloutView, pods: Pods) -> Cause | None:
    """What the first of the wanted revision's pods says that isn't ready; None where all are."""
    if (wanted := view.wanted) is None:
        return None
    its = pods_of(wanted, pods)
    if not its and wanted.status == "Progressing":
        return _no_pod(ctx, view, wanted)
    unready = [pod for pod in its if condition(pod, "Ready").get("status") != "True"]
    if unready:
        return _unready(ctx, rollout, view, unready[0])
    lacking = (one for one in view.revisions if one.role and len(pods_of(one, pods)) < one.wanted)
    refused = (_refused(ctx, view, one) for one in lacking)
    return next(filter(None, refused), None)


def pods_of(revision: RevisionView, pods: Pods) -> list[Object]:
    """Of all pods those of a revision, less those that are leaving."""
    names = {pod.name for pod in revision.pods if not pod.terminating}
    return [pod for pod in pods if pod["metadata"]["name"] in names]


def _unready(ctx: Context, rollout: Object, view: RolloutView, pod: Object) -> Cause:
    name, trouble = pod["metadata"]["name"], pod_trouble(pod)
    if trouble and _has(trouble, _NO_IMAGE):
        return _no_image(ctx, view, pod, trouble)
    if (crashed := _crashed(pod)) is not None:
        words = f"logs {name} --container {crashed['name']} --previous"
        why = f"{_ended(name, crashed)}; {_deadline(rollout)}"
        return Cause(why, or_reset(ctx, f"`{kubectl(ctx, view, words)}` shows its last words"))
    said = trouble or newest_warning(ctx.cluster, pod) or f"Pod {name}"
    why = f"{said}; it isn't ready{_since(pod)}; {_deadline(rollout)}"
    return Cause(why, or_reset(ctx, f"`{kubectl(ctx, view, f'describe pod {name}')}` shows all of it"))


def _no_image(ctx: Context, view: RolloutView, pod: Object, trouble: str) -> Cause:
    name = pod["metadata"]["name"]
    for image in images_of(pod).values():
        if missing := missing_images.mistake_if_missing(ctx, image):
            return Cause(f"{missing.what}, which Pod {name} wants: {missing.why}", or_reset(ctx, missing.remedy))
    describe = kubectl(ctx, view, f"describe pod {name}")
    remedy = f"name an image that the nodes can pull, or have a stage of kind image build it; `{describe}` shows more"
    return Cause(trouble, or_reset(ctx, remedy))


def _no_pod(ctx: Context, view: RolloutView, wanted: RevisionView) -> Cause:
    """What keeps the ReplicaSet from creating one: a quota, a webhook that doesn't answer."""
    describe = kubectl(ctx, view, f"describe replicaset {wanted.name}")
    shown = or_reset(ctx, f"`{describe}` shows what is in its way")
    return _refused(ctx, view, wanted) or Cause(f"{wanted} has no pod yet", shown)


def _refused(ctx: Context, view: RolloutView, revision: RevisionView) -> Cause | None:
    """What a ReplicaSet was told that wanted another pod; None where it was told nothing.

    Its condition ReplicaFailure goes with the next pod that it gets, an event stays for an hour.
    """
    meta = {"name": revision.name, "namespace": view.namespace}
    said = newest_warning(ctx.cluster, {"kind": "ReplicaSet", "metadata": meta})
    if said is None and revision.trouble:
        said = f"ReplicaSet {revision.name}: {revision.trouble}"
    if said is None:
        return None
    describe = kubectl(ctx, view, f"describe replicaset {revision.name}")
    shown = or_reset(ctx, f"`{describe}` shows what is in its way")
    return refusal(ctx, Refused.of(view), said) or Cause(said, shown)


def _has(text: str, words: Sequence[str]) -> bool:
    return any(word in text for word in words)


def _crashed(pod: Object) -> Object | None:
    """The first container that ended badly, now or at its last start."""
    crashed = (each for each in container_statuses(pod) if last_ending(each).get("exitCode") and not each.get("ready"))
    return next(crashed, None)


def _ended(pod: str, state: Object) -> str:
    ended, times = last_ending(state), state.get("restartCount", 0)
    again = f", and was started again {times} time{'' if times == 1 else 's'}" if times else ""
    said = f": {ended['message'].strip()}" if ended.get("message") else ""
    return f"Pod {pod}, container {state['name']} ended with {ended['exitCode']} ({ended.get('reason')}){again}{said}"


def _since(pod: Object) -> str:
    """For how long it hasn't been ready, by the API's own time."""
    began = epoch(condition(pod, "Ready").get("lastTransitionTime"))
    seconds = time.time() - began if began else 0.0
    return f" for {seconds:.0f} s" if seconds >= 1 else ""


def _deadline(rollout: Object) -> str:
    seconds = dig(rollout, "spec", "progressDeadlineSeconds") or PROGRESS_DEADLINE
    ends = "aborts the update" if dig(rollout, "spec", "progressDeadlineAbort") else "calls the Rollout Degraded"
    return f"Argo {ends} after {seconds} s without progress (progressDeadlineSeconds)"
