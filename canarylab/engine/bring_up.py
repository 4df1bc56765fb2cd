"""Brings stages up, or says what that would change: what is done with one stage, and with those of a command.

For each stage whose needs are healthy: observe, changes, apply, wait for health, observe again; what then still has
changes has failed as not idempotent. The cluster is the only state there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from canarylab.contract.cause import Cause, Standstill
from canarylab.contract.context import Context
from canarylab.contract.playbook import Limits
from canarylab.contract.stage import AnyStage, Change
from canarylab.engine.look import survey
from canarylab.engine.outcome import Outcome, Run
from canarylab.engine.schedule import needs_among, run
from canarylab.errors import CommandError, NotYetObservableError, StageError
from canarylab.events import RunStarted, StageChange, StageInfo
from canarylab.kube.client import ApiError

_RETRY_PAUSE = 1.0


def preflight(ctx: Context, selected: Sequence[AnyStage]) -> None:
    """Let each stage say what is in its way, before a password is asked for or anything is changed.

    What is wrong in its files by itself comes before how it fits with the rest.
    """
    for stage in selected:
        stage.check()
    for stage in selected:
        stage.preflight(ctx)


def up(ctx: Context, selected: Sequence[AnyStage]) -> Run:
    """Bring the selected stages up. Needs outside the selection are taken to be there."""
    examine(ctx, selected)
    _announce(ctx, "up", selected)
    return bring_up(ctx, "up", selected)


def plan(ctx: Context, selected: Sequence[AnyStage]) -> Run:
    """Say what `up` would change, and change nothing."""
    for stage in selected:
        stage.check()
    _announce(ctx, "plan", selected)
    return run(ctx, "plan", selected, _plan_stage)


def examine(ctx: Context, selected: Sequence[AnyStage]) -> None:
    """Raise for what is known to go wrong before anything of it is changed."""
    for stage in selected:
        stage.check()
    if ctx.ownership.looks_first:
        survey(ctx, selected)


def bring_up(ctx: Context, command: str, selected: Sequence[AnyStage]) -> Run:
    """The same as part of a command that has announced its run itself."""
    return run(ctx, command, selected, _bring_up)


def infos(selected: Sequence[AnyStage]) -> tuple[StageInfo, ...]:
    """The stages as a run announces them."""
    needs = needs_among(selected)
    return tuple(StageInfo(stage.name, stage.kind, tuple(needs[stage.name])) for stage in selected)


def _announce(ctx: Context, command: str, selected: Sequence[AnyStage]) -> None:
    ctx.emit(RunStarted(command, ctx.playbook.name, ctx.profile, ctx.provider.name, infos(selected)))


# -- one stage ---------------------------------------------------------------------------------------------------------


def _bring_up(ctx: Context, stage: AnyStage, limits: Limits) -> Outcome:
    observed = stage.observe(ctx)
    changes = stage.changes(observed)
    for change in changes:
        _report(ctx, change)
    if changes:
        _apply(ctx, stage, observed, limits.retries)
    _await_health(ctx, stage)
    if not changes:
        return Outcome("unchanged")
    if left := stage.changes(stage.observe(ctx)):
        raise _not_idempotent(ctx, stage, left[0])
    return Outcome("changed", reason="; ".join(dict.fromkeys(change.reason for change in changes)))


def _not_idempotent(ctx: Context, stage: AnyStage, left: Change) -> StageError:
    """What a controller deletes mustn't be ignored: it would be lost, and nobody would say so."""
    owned = "if another controller owns the field, name it in ignore-differences"
    gone = "take what is deleted out of the manifest, or stop who deletes it: as it is written it can't stay"
    return StageError(
        f"not idempotent: after it was applied, {left.subject} would be changed again ({left.lost or left.reason})",
        where=f"stage {stage.name}",
        why=left.diff or "something else changes it back, or the stage can't read what it wrote",
        remedy=f"`{ctx.command('plan')}` shows it; {gone if left.lost else owned}",
    )


def _apply(ctx: Context, stage: AnyStage, observed: Any, retries: int) -> None:
    """Apply, and again after a failure that may pass: a program that failed, an API server that refused."""
    for attempt in range(retries + 1):
        try:
            stage.apply(ctx, observed)
        except (CommandError, ApiError) as error:
            if attempt == retries or ctx.remaining <= _RETRY_PAUSE:
                raise
            ctx.progress(f"failed, trying again ({attempt + 1} of {retries}): {error.what}")
            ctx.cancel.sleep(_RETRY_PAUSE)
            observed = stage.observe(ctx)
        else:
            return


def _await_health(ctx: Context, stage: AnyStage) -> None:
    shown, found = "", None
    standstill = Standstill(lambda: stage.cause(ctx), ctx.cancel.now)

    def look() -> str | None:
        nonlocal shown, found
        try:
            reason = stage.health(ctx)
        except ApiError as error:
            if not error.may_pass:
                raise
            reason = error.what
        if reason is None:
            return None
        if found := standstill.cause(reason):
            reason = found.with_reason(reason)
        if found and found.permanent:
            raise _stands_still(stage, reason, found)
        if reason != shown:
            ctx.progress(f"waiting: {reason}")
            shown = reason
        return reason

    reason = look()
    if reason is not None and (watches := stage.watches()):
        reason = ctx.cluster.wait(watches, look, deadline=ctx.deadline, cancel=ctx.cancel)
    if reason is not None:
        seconds = ctx.playbook.limits[stage.name].deadline
        usual = (
            f"`{ctx.command('status')}` shows all stages; `{ctx.command('up')}` goes on from here; a longer "
            "`deadline` can be set in the playbook"
        )
        remedy = found.remedy if found else usual
        raise StageError(f"not healthy within {seconds:.0f} s: {reason}", where=f"stage {stage.name}", remedy=remedy)


def _stands_still(stage: AnyStage, reason: str, found: Cause) -> StageError:
    """What only a person can mend isn't waited for."""
    why = "it stays so until somebody acts, so it isn't waited for"
    return StageError(f"it can't get healthy: {reason}", where=f"stage {stage.name}", why=why, remedy=found.remedy)


def _plan_stage(ctx: Context, stage: AnyStage, limits: Limits) -> Outcome:  # noqa: ARG001 - as _bring_up
    try:
        changes = stage.changes(stage.observe(ctx))
    except NotYetObservableError as error:
        changes = [Change("create", stage.name, f"everything of it: {error.what}")]
    for change in changes:
        _report(ctx, change)
    return Outcome("planned", reason=changes[0].reason) if changes else Outcome("unchanged")


def _report(ctx: Context, change: Change) -> None:
    ctx.emit(StageChange(ctx.stage, change.action, change.subject, change.reason, change.diff))
