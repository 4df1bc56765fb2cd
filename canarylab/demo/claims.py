"""What may be expected of a Rollout, each as a claim with what was seen. Pure."""

from __future__ import annotations

from typing import Literal

from canarylab.contract.step import Claim
from canarylab.rollouts.causes import injection
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.revisions import RevisionView, listed_images
from canarylab.rollouts.view import RolloutView


def equal(text: str, expected: object, seen: object, cause: str = "") -> Claim:
    """That what was seen is exactly what was expected."""
    return Claim(text, str(expected), str(seen), expected == seen, cause)


def status(view: RolloutView, phase: str, reason: str | None = None) -> Claim:
    """The phase, and the reason the controller gives for it."""
    holds = view.phase == phase and reason in (None, view.message)
    expected = f"{phase} ({reason})" if reason else phase
    return Claim("status", expected, view.status, holds, cause(view), causes.never_reaches(view, phase))


def step(view: RolloutView, expected: str) -> Claim:
    """Steps done, of how many. A Rollout that waits for somebody stays at its step."""
    permanent = bool(view.standstill)
    return Claim("step", expected, str(view.step), view.step == expected, cause(view), permanent)


def stable_is_wanted(view: RolloutView) -> Claim:
    """No update is under way: the stable revision is the one that the Rollout's template asks for."""
    named = f" ({listed_images(view.images)})" if view.images else ""  # the template may be a Deployment's
    expected = f"the revision of the template{named}"
    return Claim("stable", expected, _named(view.stable), view.stable is not None and not view.updating, cause(view))


def old_scaled_down(view: RolloutView) -> Claim:
    """Every ReplicaSet but those of stable and canary is ScaledDown."""
    old = [revision for revision in view.revisions if not revision.role]
    seen = ", ".join(f"{revision} {revision.status}" for revision in old) or "no old revision"
    holds = all(revision.status == "ScaledDown" for revision in old)
    late = (
        "an old ReplicaSet stays up for scaleDownDelaySeconds of the strategy, 30 s by default; after an abort for "
        "abortScaleDownDelaySeconds, of which 0 means for good"
    )
    return Claim("old revisions", "ScaledDown", seen, holds, late)


def ready_pods(view: RolloutView, role: Literal["stable", "canary"], wanted: int) -> Claim:
    """That revision has exactly so many pods, and every one of them is ready. Those that leave don't count.

    No such revision is the same as one without pods.
    """
    revision = view.stable if role == "stable" else view.canary
    pods = [pod for pod in revision.pods if not pod.terminating] if revision else []
    ready = sum(done == containers for done, containers in (_counts(pod.ready) for pod in pods))
    seen = f"{ready}" if ready == len(pods) else f"{ready}, and {len(pods) - ready} not ready"
    return Claim(f"ready pods of the {role} revision", str(wanted), seen, ready == len(pods) == wanted, cause(view))


def pods_ready(view: RolloutView, ready: str) -> list[Claim]:
    """Of every pod of stable and canary as many containers are ready as kubectl shows as READY."""
    return [_ready(revision, ready, view) for revision in view.revisions if revision.role]


def _ready(revision: RevisionView, ready: str, view: RolloutView) -> Claim:
    pods = [pod for pod in revision.pods if not pod.terminating]
    seen = ", ".join(f"{pod.name} ready {pod.ready}" for pod in pods) or "no pod"
    holds = bool(pods) and all(pod.ready == ready for pod in pods)
    lacking = any(_counts(pod.ready)[1] < _counts(ready)[1] for pod in pods)
    why = injection.NO_SIDECAR if lacking else cause(view)
    permanent = lacking and not injection.may_come(view, revision)
    return Claim(f"pods of the {revision.role} revision", f"ready {ready}", seen, holds, why, permanent)


def _counts(ready: str) -> list[int]:
    """Containers that are ready, and all of them."""
    return [int(count) for count in ready.split("/")]


def canary_is(view: RolloutView, which: str) -> Claim:
    """`latest`: the newest revision is the canary; `none`: there is no canary."""
    if which == "none":
        return Claim("canary", "none", _named(view.canary), view.canary is None, cause(view))
    return _is("canary", view.canary, _nth(view, 0), view)


def stable_is(view: RolloutView, which: str) -> Claim:
    """`latest`: the newest revision is stable and no update is under way; `previous`: the one before it is stable."""
    if which == "latest" and view.updating:
        return Claim("stable", "the revision of the template", _named(view.stable), holds=False, cause=cause(view))
    return _is("stable", view.stable, _nth(view, 0 if which == "latest" else 1), view)


def cause(view: RolloutView) -> str:
    """Why a Rollout makes no progress, as far as its objects say."""
    return causes.briefly(view)


def _is(text: str, seen: RevisionView | None, expected: RevisionView | None, view: RolloutView) -> Claim:
    return Claim(text, _named(expected), _named(seen), seen is not None and seen == expected, cause(view))


def _nth(view: RolloutView, age: int) -> RevisionView | None:
    return view.revisions[age] if age < len(view.revisions) else None


def _named(revision: RevisionView | None) -> str:
    return str(revision) if revision else "none"
