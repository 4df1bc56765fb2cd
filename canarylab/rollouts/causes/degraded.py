"""Rollouts that waiting can't fix, as their controller reports them; the stage that waits for them may end early."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from canarylab.errors import StageError
from canarylab.rollouts.causes.cause import INVALID_SPEC

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_ABORTED = "RolloutAborted: "
_OF_OTHER_OBJECTS = ("spec.strategy.canary.", "spec.strategy.blueGreen.", "spec.workloadRef", "spec.templates")
"""How Argo names the field where something that the Rollout refers to isn't there or doesn't fit: that may come yet,
and the controller looks again every 20 s (rollout/controller.go). A field of the Rollout itself is named without the
strategy: spec.strategy.steps[0].setWeight."""


def refuse_lasting(ctx: Context, objects: Iterable[dict[str, Any]]) -> None:
    """Raise StageError for the first Rollout among the objects that stays as it is until somebody acts."""
    for obj in objects:
        if obj["kind"] == "Rollout":
            meta = obj["metadata"]
            live = ctx.cluster.get(obj["apiVersion"], "Rollout", meta["name"], meta.get("namespace"))
            if live is not None and (error := _lasting(ctx, live)):
                raise error


def _lasting(ctx: Context, rollout: dict[str, Any]) -> StageError | None:
    meta, status = rollout["metadata"], rollout.get("status", {})
    message = str(status.get("message", ""))
    if status.get("phase") != "Degraded" or status.get("observedGeneration") != str(meta["generation"]):
        return None
    subject, where = f"Rollout {meta['namespace']}/{meta['name']}", f"stage {ctx.stage}"
    if message.startswith(_ABORTED):
        return StageError(
            f"{subject} is in the middle of an update that was aborted",
            where=where,
            why=message,
            remedy=f"`{ctx.command('demo --reset')}` sets it back to its stable revision, then `{ctx.command('up')}`",
        )
    if message.startswith(INVALID_SPEC) and not _said(message).startswith(_OF_OTHER_OBJECTS):
        return StageError(
            f"Argo refuses {subject}: {_said(message)}",
            where=where,
            why="the Rollout's own spec is wrong, so waiting can't help",
            remedy=f"correct it in the stage's manifest, or, where somebody changed it in the cluster, "
            f"`{ctx.command('plan')}` shows the difference; then `{ctx.command('up')}`",
        )
    return None


def _said(message: str) -> str:
    """What is wrong, from the field on: `InvalidSpec: The Rollout "NAME" is invalid: FIELD: ...`."""
    return message.partition(" is invalid: ")[2]
