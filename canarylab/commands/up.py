"""`invoke up` and `invoke plan`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from canarylab.commands.run import Options, report_bugs, run, save_applied
from canarylab.contract.context import Context
from canarylab.engine import bring_up
from canarylab.engine.outcome import Run
from canarylab.engine.select import select
from canarylab.engine.sentinel import guarded
from canarylab.errors import EXIT_DONE
from canarylab.events import Notice
from canarylab.lock import locked


def up(options: Options, only: Sequence[str], start: str | None) -> int:
    """Bring the stages up; then write down in the cluster what was applied."""

    def work(ctx: Context) -> int:
        stages = select(ctx.playbook, only, start)
        bring_up.preflight(ctx, stages)
        with (
            locked(ctx.paths.lock, "up"),
            ctx.provider.infrastructure.session(ctx, "up"),
            guarded(ctx) as sentinel,
        ):
            outcome = bring_up.up(ctx, stages)
            code = EXIT_DONE
            if outcome.exit_code == EXIT_DONE and "cluster" in outcome.outcomes:
                code = _conclude(ctx, is_all=len(stages) == len(ctx.playbook.stages))
            return sentinel.code(_end(ctx, outcome, code))

    return run(options, work)


def _conclude(ctx: Context, *, is_all: bool) -> int:
    """Everything is up. Where that can't be written down it still is: that is reported, and the run ends in order."""
    if code := save_applied(ctx, ctx.playbook.members or (ctx.playbook,), "everything is up"):
        return code
    next_one = f"; `{ctx.command('demo')}` comes next" if is_all and ctx.playbook.performances else ""
    ctx.emit(Notice(f"kubectl --context {ctx.cluster.context} works in your shell{next_one}"))
    return EXIT_DONE


def plan(options: Options, only: Sequence[str], start: str | None) -> int:
    """Say what `up` would change."""

    def work(ctx: Context) -> int:
        stages = select(ctx.playbook, only, start)
        bring_up.preflight(ctx, stages)
        outcome = bring_up.plan(ctx, stages)
        if outcome.exit_code == 0 and not outcome.names("planned"):
            ctx.emit(Notice("no changes: everything is as the playbook says"))
        return _end(ctx, outcome)

    return run(options, work)


def _end(ctx: Context, outcome: Run, afterwards: int = EXIT_DONE) -> int:
    """`afterwards` is how what came after the stages ended."""
    report_bugs(ctx, (ended.error for ended in outcome.outcomes.values()))
    code = outcome.exit_code or afterwards
    ctx.emit(dataclasses.replace(outcome.summary, ok=code == EXIT_DONE))
    return code
