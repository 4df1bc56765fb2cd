"""Why a Rollout isn't as it is expected: the cause, what to do about it, and whether waiting can help."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.contract.step import Claim
from canarylab.errors import CanarylabError
from canarylab.kube.objects import Object, dig
from canarylab.rollouts.causes import analyses, controller, events, injection, invalid
from canarylab.rollouts.causes import pods as pod_causes
from canarylab.rollouts.causes.remedies import INVALID_SPEC, kubectl, or_reset, plugin
from canarylab.rollouts.strategy import BY_HAND
from canarylab.rollouts.view import RolloutView, get_rollout, parts_of

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.rollouts.causes.pods import Pods

_RESUME = '{"spec":{"paused":false}}'
"""Not `promote`: in the middle of an update that would skip a step, too."""


def briefly(view: RolloutView) -> str:
    """Why it makes no progress, as far as the view says. Pure."""
    if view.message.startswith(INVALID_SPEC):
        return f"Argo refuses its spec: {view.message.removeprefix(INVALID_SPEC)}"
    if view.aborted:
        return f"the update was aborted, and its template is still the one wanted: {view.message}"
    return view.standstill or view.trouble or f"the Rollout is {view}"


def never_reaches(view: RolloutView, phase: str) -> bool:
    """Whether it can't come to that phase, however long one waits.

    A Rollout that waits for somebody may still become Degraded: by its background analysis.
    """
    if view.phase == "Degraded" != phase:
        return True
    stuck = bool(view.standstill) or pod_causes.image_never_comes(view)
    return stuck and phase in ("Healthy", "Paused")


def explained(ctx: Context, namespace: str, name: str, claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """The claims; those that don't hold with what is found in the cluster about their cause, and the remedy."""
    claims = tuple(claims)
    if all(claim.holds for claim in claims):
        return claims
    try:
        rollout = get_rollout(ctx, namespace, name)
        replica_sets, pods = parts_of(ctx.cluster, rollout)
        view = RolloutView.of(rollout, replica_sets, pods)
        found = cause_of(ctx, rollout, view, pods)
        return tuple(claim if claim.holds else _with(ctx, view, pods, claim, found) for claim in claims)
    except CanarylabError:  # the cluster can't be asked any more: what was seen is reported as it is
        return claims


def _with(ctx: Context, view: RolloutView, pods: Pods, claim: Claim, found: Cause | None) -> Claim:
    if claim.cause == injection.NO_SIDECAR:
        found = injection.missed(ctx, view, pods) or injection.fewer_containers(ctx, view)
    return claim if found is None else dataclasses.replace(claim, cause=found.why, remedy=found.remedy)


def standstill(ctx: Context, namespace: str, name: str) -> Cause | None:
    """Why a Rollout that has stood still for a while does; None where nothing is found, or nobody can be asked."""
    try:
        rollout = get_rollout(ctx, namespace, name)
        replica_sets, pods = parts_of(ctx.cluster, rollout)
        return cause_of(ctx, rollout, RolloutView.of(rollout, replica_sets, pods), pods)
    except CanarylabError:
        return None


def trouble(ctx: Context, namespace: str, name: str) -> Cause | None:
    """The same for somebody who looks: a pause that only wants to be promoted is no trouble, and neither is health."""
    try:
        rollout = get_rollout(ctx, namespace, name)
        if not dig(rollout, "status", "observedGeneration"):
            return controller.away(ctx)  # there is nothing else to explain yet
        replica_sets, pods = parts_of(ctx.cluster, rollout)
        view = RolloutView.of(rollout, replica_sets, pods)
        if view.phase == "Healthy":
            return None
        return next(filter(None, _troubles(ctx, rollout, view, pods)), None)
    except CanarylabError:
        return None


def with_trouble(ctx: Context, view: RolloutView, why: str, remedy: str) -> Cause:
    """Why something can't be done with a Rollout, and what is found about the Rollout itself, with its remedy."""
    found = trouble(ctx, view.namespace, view.name)
    return Cause(f"{why}; {found.why}", found.remedy) if found else Cause(why, remedy)


def refused(ctx: Context, view: RolloutView, claim: Claim, why: str) -> Claim:
    """What a step asks of the Rollout before it does something; where it doesn't hold, with why, and its trouble."""
    if claim.holds:
        return claim
    found = with_trouble(ctx, view, why, "")
    return dataclasses.replace(claim, cause=found.why, remedy=found.remedy)


def cause_of(ctx: Context, rollout: Object, view: RolloutView, pods: Pods) -> Cause | None:
    """The first that applies, from what stops everything to what stops a pod. Raises ApiError without an answer."""
    return next(filter(None, _looks(ctx, rollout, view, pods)), None)


def _looks(ctx: Context, rollout: Object, view: RolloutView, pods: Pods) -> Iterator[Cause | None]:
    yield from _troubles(ctx, rollout, view, pods)
    yield _waits_for_somebody(ctx, view)
    yield _rolled_back(rollout, view)


def _troubles(ctx: Context, rollout: Object, view: RolloutView, pods: Pods) -> Iterator[Cause | None]:
    """One after the other, each only where those before it found nothing."""
    yield controller.away(ctx)
    yield invalid.cause(ctx, rollout, view)
    yield events.warned(ctx, rollout, view)  # before an abort: with weights that can't be written, that isn't the end
    yield _aborted(ctx, rollout, view)
    yield _paused_by_hand(ctx, rollout, view)
    yield analyses.undecided(ctx, rollout, view)
    yield pod_causes.unready_cause(ctx, rollout, view, pods)


def _aborted(ctx: Context, rollout: Object, view: RolloutView) -> Cause | None:
    if not view.aborted:
        return None
    if found := analyses.failed_to_measure(ctx, rollout, view):
        return dataclasses.replace(found, why=f"{briefly(view)}; {found.why}")
    retry = plugin(ctx, view, f"retry rollout {view.name}")
    return Cause(briefly(view), or_reset(ctx, f"`{retry}` restarts the update"))


def _paused_by_hand(ctx: Context, rollout: Object, view: RolloutView) -> Cause | None:
    if BY_HAND not in view.standstill:
        return None
    resume = kubectl(ctx, view, f"patch rollout {view.name} --type merge --patch '{_RESUME}'")
    why = f"somebody paused it{_by(rollout)}, and no step of the demonstration does that"
    return Cause(why, or_reset(ctx, f"`{resume}` lets it go on"))


def _waits_for_somebody(ctx: Context, view: RolloutView) -> Cause | None:
    if not view.standstill:
        return None
    promote = plugin(ctx, view, f"promote {view.name}")
    return Cause(f"it is in the middle of an update: {view}", or_reset(ctx, f"`{promote}` lets it go on"))


def _rolled_back(rollout: Object, view: RolloutView) -> Cause | None:
    """That the steps were skipped, since the revision was there before (rollout/sync.go, isRollbackWithinWindow)."""
    window, wanted = dig(rollout, "spec", "rollbackWindow", "revisions") or 0, view.wanted
    former = next((one for one in view.revisions if one is not wanted), None)
    if not window or wanted is None or former is None or not wanted.created or not former.created:
        return None
    between = [one for one in view.revisions if one.created and wanted.created < one.created < former.created]
    if wanted.created >= former.created or len(between) >= window:
        return None
    why = (
        f"{wanted} was there before, and Argo goes back to one of the last {window} revisions without steps, pauses or "
        "analysis (spec.rollbackWindow)"
    )
    return Cause(why, "set an image that none of them had, or take rollbackWindow out of the Rollout")


def _by(rollout: Object) -> str:
    """Who set spec.paused and when, as the API server keeps it."""
    for entry in rollout["metadata"].get("managedFields") or ():
        if "f:paused" in (entry.get("fieldsV1") or {}).get("f:spec", {}):
            return f" with {entry.get('manager')} at {entry.get('time')} (spec.paused)"
    return " (spec.paused)"
