"""`invoke teardown`: everything gone, and a receipt that says so."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from canarylab import graph
from canarylab.commands.run import Options, run
from canarylab.context import Context
from canarylab.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, CanarylabError, NotYetObservableError
from canarylab.events import RunFinished, RunStarted, StageFinished, StageInfo, StageStarted
from canarylab.lock import locked
from canarylab.report import receipt as report
from canarylab.stages.base import Removal, Stage

_SECONDS = 300.0

Receipt = list[tuple[str, list[Removal]]]


def teardown(options: Options, only: Sequence[str], *, purge: bool) -> int:
    """Remove everything of the profile; with `only`, those stages and what needs them."""
    receipt: Receipt = []

    def work(ctx: Context) -> int:
        with locked(ctx.paths.lock, "teardown"):
            _remove_stages(ctx, _selected(ctx, only), receipt)
            if not only:
                receipt.append(("rest", ctx.provider.leftovers(ctx)))
            if purge:
                receipt.append(("cache", ctx.provider.purge(ctx)))
        failed = any(removal.outcome == "failed" for _, removals in receipt for removal in removals)
        return EXIT_FAILED if failed else EXIT_DONE

    code = run(options, work)
    if code != EXIT_USAGE:
        report.show(receipt, options.output, sys.stdout)
    return code


def _selected(ctx: Context, only: Sequence[str]) -> list[Stage[Any, Any]]:
    """The stages to remove, last first. What lives in a cluster of our own goes with it, and isn't removed one by one."""
    stages = {stage.name: stage for stage in ctx.playbook.stages}
    needs = {name: stage.needs for name, stage in stages.items()}
    wanted = graph.dependents(needs, only) if only else set(stages)
    with_cluster = ctx.provider.owns_cluster and "cluster" in wanted
    ordered = [stages[name] for name in reversed(graph.order(needs)) if name in wanted]
    return [stage for stage in ordered if not (with_cluster and stage.in_cluster)]


def _remove_stages(ctx: Context, stages: Sequence[Stage[Any, Any]], receipt: Receipt) -> None:
    """One after the other: what is removed must not be needed by anything that is still there."""
    infos = tuple(StageInfo(stage.name, stage.kind, ()) for stage in stages)
    ctx.emit(RunStarted("teardown", ctx.playbook.name, ctx.profile, ctx.provider.name, infos))
    started = time.monotonic()
    seconds: dict[str, float] = {}
    changed, unchanged, failed = [], [], []
    for stage in stages:
        ctx.cancel.check()
        begun = time.monotonic()
        ctx.emit(StageStarted(stage.name))
        removals = _remove(ctx.for_stage(stage.name, begun + _SECONDS), stage)
        receipt.append((stage.name, removals))
        seconds[stage.name] = round(time.monotonic() - begun, 3)
        outcomes = {removal.outcome for removal in removals}
        state = "failed" if "failed" in outcomes else "changed" if "removed" in outcomes else "unchanged"
        {"failed": failed, "changed": changed, "unchanged": unchanged}[state].append(stage.name)
        reason = "; ".join(removal.reason for removal in removals if removal.outcome == "failed")
        ctx.emit(StageFinished(stage.name, state, seconds[stage.name], reason))
    ctx.emit(
        RunFinished(
            command="teardown",
            ok=not failed,
            seconds=round(time.monotonic() - started, 3),
            changed=tuple(changed),
            unchanged=tuple(unchanged),
            failed=tuple(failed),
            stage_seconds=seconds,
            critical_path=tuple(seconds),
            critical_path_seconds=round(sum(seconds.values()), 3),
        )
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
