"""Rollouts that waiting can't fix, as their controller reports them; the stage that waits for them may end early."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from canarylab.contract.cause import Cause
from canarylab.errors import StageError
from canarylab.kube.health import rollout_health
from canarylab.kube.objects import Object
from canarylab.rollouts.causes import invalid, refusals
from canarylab.rollouts.causes import rollout as causes

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_ABORTED = "RolloutAborted: "


def raise_if_permanent(ctx: Context, objects: Iterable[dict[str, Any]]) -> None:
    """Raise StageError for the first Rollout among the objects that stays as it is until somebody acts."""
    for rollout in _unhealthy(ctx, objects):
        _raise_if_permanent(ctx, rollout)


def cause(
    ctx: Context, objects: Sequence[dict[str, Any]], unapplied: Callable[[], Iterable[Object]] = tuple
) -> Cause | None:
    """What is found about the first workload among the objects that isn't in health, and doesn't get on.

    `unapplied` are the objects of the playbook's manifests that have yet to be applied: they may bring what it lacks.
    """
    for rollout in _unhealthy(ctx, objects):
        if found := causes.trouble(ctx, rollout["metadata"]["namespace"], rollout["metadata"]["name"]):
            may_come = found.permanent and invalid.is_refused(rollout) and invalid.may_fix(ctx, rollout, unapplied())
            return replace(found, permanent=found.permanent and not may_come)
    return refusals.of_workloads(ctx, objects)


def _unhealthy(ctx: Context, objects: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for obj in objects:
        if obj["kind"] == "Rollout":
            meta = obj["metadata"]
            live = ctx.cluster.get(obj["apiVersion"], "Rollout", meta["name"], meta.get("namespace"))
            if live is not None and rollout_health(live, meta["name"]) is not None:
                yield live


def _raise_if_permanent(ctx: Context, rollout: dict[str, Any]) -> None:
    meta, status = rollout["metadata"], rollout.get("status", {})
    if status.get("phase") != "Degraded" or status.get("observedGeneration") != str(meta["generation"]):
        return
    subject, up = f"Rollout {meta['namespace']}/{meta['name']}", ctx.command("up")
    message = str(status.get("message", ""))
    if message.startswith(_ABORTED):
        found = causes.trouble(ctx, meta["namespace"], meta["name"])
        what = f"{subject} is in the middle of an update that was aborted"
        why = found.why if found and found.permanent else message
        remedy = f"`{ctx.command('demo --reset')}` sets it back to its stable revision, then `{up}`"
    elif invalid.is_of_own_spec(message):
        what, why = (
            f"Argo refuses {subject}: {invalid.said(message)}",
            "the Rollout's own spec is wrong, so waiting can't help",
        )
        differs = f"where somebody changed it in the cluster, `{ctx.command('plan')}` shows the difference"
        remedy = f"correct it in the stage's manifest or chart, or, {differs}; then `{up}`"
    else:
        return
    raise StageError(what, where=f"stage {ctx.stage}", why=why, remedy=remedy)
