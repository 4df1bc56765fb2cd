"""What only events of a Rollout say: that a weight couldn't be written, a VirtualService isn't there.

Argo's controller records them with type Warning and then begins anew (argo-rollouts, rollout/trafficrouting.go,
rollout/trafficrouting/istio/istio.go, rollout/stepplugin.go); the status stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.kube.client import ApiError
from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.causes.refusals import Refused, refusal
from canarylab.rollouts.causes.remedies import kubectl, or_reset
from canarylab.rollouts.view import RolloutView

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_TOLD_OTHERWISE = ("RolloutAborted", "AnalysisRunFailed", "AnalysisRunError", "RolloutDegraded")
"""What the status says as well, and better."""


def warned(ctx: Context, rollout: Object, view: RolloutView) -> Cause | None:
    """The newest Warning that nothing has happened after; None where there is none, or events may not be read."""
    meta = rollout["metadata"]
    about = {"involvedObject.kind": "Rollout", "involvedObject.name": meta["name"]}
    try:
        events = ctx.cluster.list("v1", "Event", meta["namespace"], fields=about)
    except ApiError:
        return None
    if (newest := standing(rollout, events)) is None:
        return None
    said = f"{newest.get('reason')}: {newest.get('message', '')}"
    if found := refusal(ctx, Refused.of(view), said):
        return found
    show = kubectl(ctx, view, f"describe rollout {view.name}")
    remedy = f"mend what it names; Argo's controller tries again by itself; `{show}` shows all it says"
    return Cause(f"Argo's controller says of the Rollout: {said}", or_reset(ctx, remedy))


def standing(rollout: Object, events: Iterable[Object]) -> Object | None:
    """Of a Rollout's events the newest Warning, unless the Rollout has got further since. Pure."""
    own = [one for one in events if dig(one, "involvedObject", "uid") in (None, rollout["metadata"].get("uid"))]
    newest = max(own, key=_time, default=None)
    if newest is None or newest.get("type") != "Warning" or newest.get("reason") in _TOLD_OTHERWISE:
        return None
    return newest if _time(newest) >= _moved(rollout) else None


def _moved(rollout: Object) -> str:
    """When the controller last wrote a condition: it doesn't while it fails, as it ends before that."""
    times = (str(one.get("lastUpdateTime") or "") for one in listed(rollout, "status", "conditions"))
    return max(times, default="")


def _time(event: Object) -> str:
    time = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return str(time or "")
