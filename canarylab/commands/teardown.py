"""`invoke teardown`: everything gone, and a receipt that says so."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence

from canarylab import applied
from canarylab.commands.run import Options, report_bugs, run
from canarylab.contract.context import Context
from canarylab.contract.playbook import Limits
from canarylab.contract.stage import AnyStage
from canarylab.engine.look import look
from canarylab.engine.outcome import Outcome, Run, translated
from canarylab.engine.schedule import run_reversed
from canarylab.engine.select import select_dependents
from canarylab.errors import EXIT_DONE, EXIT_FAILED, CanarylabError, NotYetObservableError, StageError
from canarylab.events import Failure, Notice, Removed, RunStarted, StageChange, StageInfo
from canarylab.lock import locked
from canarylab.paths import drop_home, state_home
from canarylab.removal import Removal
from canarylab.report import receipt as report

_SECONDS = 300.0


def teardown(options: Options, only: Sequence[str], *, purge: bool) -> int:
    """Remove everything of the profile; with `only`, those stages and what needs them.

    In a cluster that stays, what another playbook needs that was applied to it stays, too.
    """
    receipt = _Receipt()

    def work(ctx: Context) -> int:
        with locked(ctx.paths.lock, "teardown"), ctx.provider.infrastructure.session(ctx, "teardown"):
            stages = _selected(ctx, only)
            infos = tuple(StageInfo(stage.name, stage.kind, ()) for stage in stages)
            ctx.emit(RunStarted("teardown", ctx.playbook.name, ctx.profile, ctx.provider.name, infos))
            return _remove_all(ctx, stages, only, receipt, purge=purge)

    code = run(options, work)
    drop_home(state_home())
    if options.output == "text" and receipt.entries:  # without one, nothing was looked for: the error says why
        report.show(receipt.entries, options.output, sys.stdout)
    return code


class _Receipt:
    """What was done, in order: by stage, or by what belongs to none."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, list[Removal]]] = []

    def write(self, ctx: Context, name: str, removals: list[Removal]) -> None:
        """Add what became of a stage's things, and emit an event for each."""
        self.entries.append((name, removals))
        for removal in removals:
            ctx.emit(Removed(name, removal.subject, removal.outcome, removal.reason))

    @property
    def failed(self) -> bool:
        """Whether anything couldn't be removed."""
        return any(removal.outcome == "failed" for _, removals in self.entries for removal in removals)


def _remove_all(
    ctx: Context, stages: Sequence[AnyStage], only: Sequence[str], receipt: _Receipt, *, purge: bool
) -> int:
    started, removed, code = time.monotonic(), Run("teardown", {}), EXIT_DONE

    def work(ctx: Context, stage: AnyStage, _: Limits) -> Outcome:
        left = shared.get(stage.name)
        removals = [left] if left else _remove(ctx.for_stage(stage.name, time.monotonic() + _SECONDS), stage)
        receipt.write(ctx, stage.name, removals)
        return _outcome(ctx, removals)

    try:
        shared = {} if _with_cluster(ctx, only) else _shared(ctx)
        if ctx.ownership.looks_first:
            _show_first(ctx, [stage for stage in stages if stage.name not in shared])
        removed = run_reversed(ctx, "teardown", stages, work)
        report_bugs(ctx, (outcome.error for outcome in removed.outcomes.values()))
        ctx.cancel.check()
        if not removed.names("failed") and (not only or "cluster" in only):
            if not ctx.ownership.is_deleted_whole:
                receipt.write(ctx, "applied", applied.remove(ctx))
            if not shared:
                receipt.write(ctx, "rest", _attempt(ctx, "files", ctx.provider.infrastructure.leftovers))
        if purge:
            receipt.write(ctx, "cache", _attempt(ctx, "cache", ctx.provider.infrastructure.purge))
    except CanarylabError as error:
        code = error.exit_code
        ctx.emit(Failure(error.report, code))
    code = code or removed.exit_code or (EXIT_FAILED if receipt.failed else EXIT_DONE)
    seconds = round(time.monotonic() - started, 3)
    ctx.emit(dataclasses.replace(removed.summary, ok=code == EXIT_DONE, seconds=seconds))
    return code


def _show_first(ctx: Context, stages: Sequence[AnyStage]) -> None:
    """Say what will be removed from a cluster that stays, before the first of it is."""
    shown: set[str] = set()
    for found in look(ctx, stages, lambda ctx, stage: stage.removals(ctx), _SECONDS):
        name = found.stage.name
        if found.error:
            ctx.emit(Notice(f"{name}: it can't be said yet what would be removed: {found.error}"))
        for removal in found.seen or ():
            if removal.outcome == "removed" and removal.subject not in shown:
                shown.add(removal.subject)
                ctx.emit(StageChange(name, "remove", removal.subject, f"profile {ctx.profile} made it"))
    ctx.emit(Notice(f"{len(shown)} things will be removed from {ctx.cluster.context}, and nothing else"))


def _selected(ctx: Context, only: Sequence[str]) -> list[AnyStage]:
    """The stages to remove, last first. What lives in a cluster of our own goes with it, not one by one."""
    stages = select_dependents(ctx.playbook, only, everything=_with_cluster(ctx, only))
    with_cluster = ctx.ownership.is_deleted_whole and any(stage.name == "cluster" for stage in stages)
    return [stage for stage in stages if not (with_cluster and stage.in_cluster)]


def _with_cluster(ctx: Context, only: Sequence[str]) -> bool:
    """A cluster of our own goes with all that is in it and below it: there is no use in a machine without one."""
    return ctx.ownership.is_deleted_whole and (not only or "cluster" in only)


def _shared(ctx: Context) -> dict[str, Removal]:
    """By stage: why it is left, where other playbooks that were applied to the same cluster need it."""
    shared: dict[str, Removal] = {}
    for name, other in applied.others(ctx).items():
        for stage in other.stages:
            reason = f"playbook {name} needs it, too; the teardown of the last of them removes it"
            shared.setdefault(stage, Removal(f"stage {stage}", "left", reason))
    return shared


def _remove(ctx: Context, stage: AnyStage) -> list[Removal]:
    return _attempt(ctx, f"stage {stage.name}", stage.remove)


def _attempt(ctx: Context, subject: str, remove: Callable[[Context], list[Removal]]) -> list[Removal]:
    """What can't be removed is listed in the receipt, and the rest is removed all the same."""
    try:
        return remove(ctx)
    except NotYetObservableError:
        return []  # there is no cluster that it could be in
    except (CanarylabError, OSError) as error:
        if ctx.cancel.is_set:
            raise
        return [Removal(subject, "failed", str(translated(error)))]


def _outcome(ctx: Context, removals: Sequence[Removal]) -> Outcome:
    failed = [removal.reason for removal in removals if removal.outcome == "failed"]
    if failed:
        again = f"see to what is said of each; `{ctx.command('teardown')}` then goes on with what is left"
        return Outcome("failed", reason="; ".join(failed), error=StageError("; ".join(failed), remedy=again))
    return Outcome("changed" if any(removal.outcome == "removed" for removal in removals) else "unchanged")
