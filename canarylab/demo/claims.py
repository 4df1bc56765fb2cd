"""What may be expected of a Rollout, each as a claim with what was seen. Pure."""

from __future__ import annotations

from canarylab.demo.base import Claim
from canarylab.demo.rollout import RevisionView, RolloutView


def equal(text: str, expected: object, seen: object, cause: str = "") -> Claim:
    return Claim(text, str(expected), str(seen), expected == seen, cause)


def status(view: RolloutView, phase: str, reason: str | None = None) -> Claim:
    """The phase, and the reason the controller gives for it. Degraded is where a Rollout stays by itself."""
    holds = view.phase == phase and reason in (None, view.message)
    expected = f"{phase} ({reason})" if reason else phase
    hopeless = view.phase == "Degraded" != phase
    return Claim("status", expected, view.status, holds, cause(view), hopeless)


def stable_is_wanted(view: RolloutView) -> Claim:
    """No update is under way: the stable revision is the one that the Rollout's template asks for."""
    expected = f"the revision of the template ({', '.join(view.images.values())})"
    return Claim("stable", expected, _named(view.stable), view.stable is not None and not view.updating, cause(view))


def old_scaled_down(view: RolloutView) -> Claim:
    """Every ReplicaSet but those of stable and canary is ScaledDown."""
    old = [revision for revision in view.revisions if not revision.role]
    seen = ", ".join(f"{revision} {revision.status}" for revision in old) or "no old revision"
    holds = all(revision.status == "ScaledDown" for revision in old)
    late = "an old ReplicaSet stays up for spec.strategy.canary.scaleDownDelaySeconds, 30 s by default"
    return Claim("old revisions", "ScaledDown", seen, holds, late)


def pods_ready(view: RolloutView, ready: str) -> list[Claim]:
    """Of every pod of stable and canary as many containers are ready as kubectl shows as READY."""
    return [_ready(revision, ready, view) for revision in view.revisions if revision.role]


def _ready(revision: RevisionView, ready: str, view: RolloutView) -> Claim:
    pods = [pod for pod in revision.pods if not pod.leaving]
    seen = ", ".join(f"{pod.name} ready {pod.ready}" for pod in pods) or "no pod"
    holds = bool(pods) and all(pod.ready == ready for pod in pods)
    sidecar = "a pod gets a sidecar only if its namespace had the label istio-injection=enabled before the pod began"
    return Claim(f"pods of the {revision.role} revision", f"ready {ready}", seen, holds, view.trouble or sidecar)


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
    """Why a Rollout doesn't get on, as far as it can be told from its objects."""
    if "ErrImage" in view.trouble or "ImagePull" in view.trouble:
        return f"{view.trouble}; the cluster has no such image: `invoke images` lists those it has"
    if view.trouble:
        return view.trouble
    if view.aborted:
        return "the update was aborted, and its template is still the one wanted"
    return f"the Rollout is {view}"


def _is(text: str, seen: RevisionView | None, expected: RevisionView | None, view: RolloutView) -> Claim:
    return Claim(text, _named(expected), _named(seen), seen is not None and seen == expected, cause(view))


def _nth(view: RolloutView, age: int) -> RevisionView | None:
    return view.revisions[age] if age < len(view.revisions) else None


def _named(revision: RevisionView | None) -> str:
    return str(revision) if revision else "none"
