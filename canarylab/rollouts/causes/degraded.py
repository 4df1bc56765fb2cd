"""Rollouts that waiting can't fix, as their controller reports them; the stage that waits for them may end early."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from canarylab.errors import StageError
from canarylab.kube.health import rollout_health
from canarylab.rollouts.causes import invalid
from canarylab.rollouts.causes import rollout as causes

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_ABORTED = "RolloutAborted: "


def explained(ctx: Context, objects: Iterable[dict[str, Any]], reason: str) -> str:
    """Why the objects aren't in health, with what is found about the first Rollout among them that isn't.

    Raises StageError for one that stays as it is until somebody acts.
    """
    for obj in objects:
        if obj["kind"] == "Rollout":
            meta = obj["metadata"]
            live = ctx.cluster.get(obj["apiVersion"], "Rollout", meta["name"], meta.get("namespace"))
            if live is None or rollout_health(live, meta["name"]) is None:
                continue
            _refuse_lasting(ctx, live)
            cause = causes.trouble(ctx, live["metadata"]["namespace"], meta["name"])
            if cause and cause.lasting and not invalid.is_refused(live):  # other stages may bring what it refers to
                raise StageError(
                    f"Rollout {live['metadata']['namespace']}/{meta['name']} can't get on: {cause.why}",
                    where=f"stage {ctx.stage}",
                    why="it stays so until somebody acts",
                    remedy=cause.remedy,
                )
            if cause and cause.why not in reason:
                return f"{reason}; {cause.why}"
    return reason


def _refuse_lasting(ctx: Context, rollout: dict[str, Any]) -> None:
    meta, status = rollout["metadata"], rollout.get("status", {})
    if status.get("phase") != "Degraded" or status.get("observedGeneration") != str(meta["generation"]):
        return
    subject, up = f"Rollout {meta['namespace']}/{meta['name']}", ctx.command("up")
    message = str(status.get("message", ""))
    if message.startswith(_ABORTED):
        cause = causes.trouble(ctx, meta["namespace"], meta["name"])
        what = f"{subject} is in the middle of an update that was aborted"
        why = cause.why if cause and cause.lasting else message
        remedy = f"`{ctx.command('demo --reset')}` sets it back to its stable revision, then `{up}`"
    elif invalid.is_of_own_spec(message):
        what, why = (
            f"Argo refuses {subject}: {invalid.said(message)}",
            "the Rollout's own spec is wrong, so waiting can't help",
        )
        differs = f"where somebody changed it in the cluster, `{ctx.command('plan')}` shows the difference"
        remedy = f"correct it in the stage's manifest, or, {differs}; then `{up}`"
    else:
        return
    raise StageError(what, where=f"stage {ctx.stage}", why=why, remedy=remedy)
