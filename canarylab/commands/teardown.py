"""`invoke teardown`: everything gone, and a receipt that says so."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from canarylab import applied as record
from canarylab import graph
from canarylab.commands.run import Options, run
from canarylab.contract.context import Context
from canarylab.contract.stage import Stage
from canarylab.engine import schedule as engine
from canarylab.errors import EXIT_DONE, EXIT_FAILED, CanarylabError, NotYetObservableError
from canarylab.events import (
    Failure,
    Notice,
    Removed,
    RunFinished,
    RunStarted,
    StageChange,
    StageFinished,
    StageInfo,
    StageStarted,
    State,
)
from canarylab.lock import locked
from canarylab.paths import drop_home, state_home
from canarylab.removal import Removal
from canarylab.report import receipt as report

_SECONDS = 300.0

Receipt = list[tuple[str, list[Removal]]]


def teardown(options: Options, only: Sequence[str], *, purge: bool) -> int:
    """Remove everything of the profile; with `only`, those stages and what needs them.

    In a cluster that stays, what another playbook needs that was applied to it stays, too.
    """
    receipt: Receipt = []

    def work(ctx: Context) -> int:
        with locked(ctx.paths.lock, "teardown"), ctx.provider.infrastructure.session(ctx, "teardown"):
            stages = _selected(ctx, only)
            infos = tuple(StageInfo(stage.name, stage.kind, ()) for stage in stages)
            ctx.emit(RunStarted("teardown", ctx.playbook.name, ctx.profile, ctx.provider.name, infos))
            removal = _Teardown(ctx, receipt)
            code = EXIT_DONE
            try:
                shared = {} if _with_cluster(ctx, only) else _shared(ctx)
                if not ctx.provider.owns_cluster:
                    _show_first(ctx, [stage for stage in stages if stage.name not in shared])
                for stage in stages:
                    removal.stage(stage, shared.get(stage.name))
                if not removal.failed and (not only or "cluster" in only):
                    if not ctx.provider.owns_cluster:
                        removal.rest("record", record.remove)
                    if not shared:
                        removal.rest("rest", ctx.provider.infrastructure.leftovers)
                if purge:
                    removal.rest("cache", ctx.provider.infrastructure.purge)
            except CanarylabError as error:
                code, removal.failed = error.exit_code, True
                ctx.emit(Failure(str(error), code))
            ctx.emit(removal.summary())
            return code or (EXIT_FAILED if removal.failed else EXIT_DONE)

    code = run(options, work)
    drop_home(state_home())
    if options.output == "text" and receipt:  # without one, nothing was looked for: the error says why
        report.show(receipt, options.output, sys.stdout)
    return code


def _show_first(ctx: Context, stages: Sequence[Stage[Any, Any]]) -> None:
    """Say what will be removed from a cluster that stays, before the first of it is."""
    shown: set[str] = set()
    for stage in stages:
        try:
            planned = stage.removals(ctx.for_stage(stage.name, time.monotonic() + _SECONDS))
        except NotYetObservableError:
            continue  # nothing of it is there
        except CanarylabError as error:
            ctx.emit(Notice(f"{stage.name}: what would be removed can't be told now: {error}"))
            continue
        for removal in planned:
            if removal.outcome == "removed" and removal.subject not in shown:
                shown.add(removal.subject)
                ctx.emit(StageChange(stage.name, "remove", removal.subject, f"profile {ctx.profile} made it"))
    ctx.emit(Notice(f"{len(shown)} things will be removed from {ctx.cluster.context}, and nothing else"))


def _selected(ctx: Context, only: Sequence[str]) -> list[Stage[Any, Any]]:
    """The stages to remove, last first. What lives in a cluster of our own goes with it, not one by one."""
    stages = {stage.name: stage for stage in ctx.playbook.stages}
    needs = {name: stage.needs for name, stage in stages.items()}
    engine.require_stages(ctx.playbook, only)
    wanted = set(stages) if not only or _with_cluster(ctx, only) else graph.dependents(needs, only)
    with_cluster = ctx.provider.owns_cluster and "cluster" in wanted
    ordered = [stages[name] for name in reversed(graph.order(needs)) if name in wanted]
    return [stage for stage in ordered if not (with_cluster and stage.in_cluster)]


def _with_cluster(ctx: Context, only: Sequence[str]) -> bool:
    """A cluster of our own goes with all that is in it and below it: there is no use in a machine without one."""
    return ctx.provider.owns_cluster and (not only or "cluster" in only)


def _shared(ctx: Context) -> dict[str, Removal]:
    """By stage: why it is left, where other playbooks that were applied to the same cluster need it."""
    shared: dict[str, Removal] = {}
    for name, applied in record.others(ctx).items():
        for stage in applied.stages:
            reason = f"playbook {name} needs it, too; the teardown of the last of them removes it"
            shared.setdefault(stage, Removal(f"stage {stage}", "left", reason))
    return shared


class _Teardown:
    """One thing after the other: what is removed must not be needed by anything that is still there."""

    def __init__(self, ctx: Context, receipt: Receipt) -> None:
        self._ctx = ctx
        self._receipt = receipt
        self._started = time.monotonic()
        self._seconds: dict[str, float] = {}
        self._states: dict[str, State] = {}
        self.failed = False

    def stage(self, stage: Stage[Any, Any], left: Removal | None) -> None:
        self._ctx.cancel.check()
        begun = time.monotonic()
        self._ctx.emit(StageStarted(stage.name))
        removals = [left] if left else _remove(self._ctx.for_stage(stage.name, begun + _SECONDS), stage)
        self._write(stage.name, removals)
        outcomes = {removal.outcome for removal in removals}
        state: State = "failed" if "failed" in outcomes else "changed" if "removed" in outcomes else "unchanged"
        self._seconds[stage.name], self._states[stage.name] = round(time.monotonic() - begun, 3), state
        reason = "; ".join(removal.reason for removal in removals if removal.outcome == "failed")
        self._ctx.emit(StageFinished(stage.name, state, self._seconds[stage.name], reason))

    def rest(self, name: str, remove: Callable[[Context], list[Removal]]) -> None:
        """What belongs to no stage."""
        self._write(name, remove(self._ctx))

    def _write(self, stage: str, removals: list[Removal]) -> None:
        self._receipt.append((stage, removals))
        self.failed |= any(removal.outcome == "failed" for removal in removals)
        for removal in removals:
            self._ctx.emit(Removed(stage, removal.subject, removal.outcome, removal.reason))

    def summary(self) -> RunFinished:
        def names(state: State) -> tuple[str, ...]:
            return tuple(name for name, seen in self._states.items() if seen == state)

        return RunFinished(
            command="teardown",
            ok=not self.failed,
            seconds=round(time.monotonic() - self._started, 3),
            changed=names("changed"),
            unchanged=names("unchanged"),
            failed=names("failed"),
            stage_seconds=self._seconds,
            critical_path=tuple(self._seconds),
            critical_path_seconds=round(sum(self._seconds.values()), 3),
        )


def _remove(ctx: Context, stage: Stage[Any, Any]) -> list[Removal]:
    """What can't be removed is told in the receipt, and the rest is removed all the same."""
    try:
        return stage.remove(ctx)
    except NotYetObservableError:
        return []  # there is no cluster that it could be in
    except CanarylabError as error:
        if ctx.cancel.is_set:
            raise
        return [Removal(f"stage {stage.name}", "failed", str(error))]
