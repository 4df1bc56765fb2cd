"""`invoke demo`: performs the playbook's demonstration and asserts every step of it; with `--all`, those of all."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from canarylab.commands.run import Options, report_bugs, run, save_applied
from canarylab.contract.context import Context
from canarylab.contract.playbook import Playbook
from canarylab.contract.stage import AnyStage
from canarylab.demo.perform import perform
from canarylab.demo.reset import reset
from canarylab.demo.side_by_side import Demonstration, DemoResult, attempt, run_all
from canarylab.engine import bring_up
from canarylab.engine.look import absent_stages
from canarylab.engine.outcome import Run
from canarylab.engine.sentinel import guarded
from canarylab.errors import EXIT_DONE, CanarylabError, CancelledError, StageError, UsageError
from canarylab.events import DemoInfo, Failure, Notice, RunStarted
from canarylab.lock import locked
from canarylab.report.formatting import first_line

Work = Callable[[Context], None]


def demo(options: Options, *, start_over: bool) -> int:
    """What a cluster that is there lacks of the playbook is brought up first, and nothing else of it is touched.

    With `start_over`, bring the Rollouts back to rest instead, and leave it at that.
    """

    def work(ctx: Context) -> int:
        if not ctx.playbook.performances:
            nothing = ", so there is nothing to reset" if start_over else ""
            remedy = "add `demo:` to it, or use another"
            raise UsageError(f"playbook {ctx.playbook.name} has no demo{nothing}", remedy=remedy)
        with locked(ctx.paths.lock, "demo"):
            if ctx.playbook.members:
                ctx.provider.access.cluster(ctx)  # where there is none, that is said once, not by each demonstration
            if start_over:
                return _reset(ctx, options)
            absent = absent_stages(ctx)
            bring_up.preflight(ctx, absent)
            session = ctx.provider.infrastructure.session
            # What `up` asks and makes sure of, too, where something is to be brought up.
            with session(ctx, "demo"), session(ctx, "up") if absent else nullcontext():
                bring_up.examine(ctx, absent)
                return _run(ctx, "demo", absent, _contexts(ctx, options), lambda one: perform(one, one.playbook.demo))

    def watched(ctx: Context) -> int:
        with guarded(ctx, answered=True) as sentinel:
            return sentinel.code(work(ctx))

    return run(options, watched)


def _reset(ctx: Context, options: Options) -> int:
    contexts = _contexts(ctx, options)
    if ctx.playbook.members:
        absent = {stage.name for stage in absent_stages(ctx) if stage.in_cluster}
        missing = [one for one in contexts if absent.intersection(stage.name for stage in one.playbook.stages)]
        contexts = [one for one in contexts if one not in missing]
        if missing:
            names = ", ".join(one.playbook.name for one in missing)
            ctx.emit(Notice(f"nothing to reset, since not all of it is up: {names}"))
    with ctx.provider.infrastructure.session(ctx, "demo"):
        return _run(ctx, "demo --reset", (), contexts, lambda one: reset(one, one.playbook.demo))


def _contexts(ctx: Context, options: Options) -> list[Context]:
    """The run as seen from each of the playbooks: the commands that one of them suggests are about that one."""
    if not ctx.playbook.members:
        return [ctx]
    return [
        dataclasses.replace(ctx, playbook=playbook, flags=options.alone(playbook).flags)
        for playbook in ctx.playbook.performances
    ]


def _run(ctx: Context, command: str, absent: Sequence[AnyStage], contexts: Sequence[Context], work: Work) -> int:
    several = bool(ctx.playbook.members)
    infos = tuple(DemoInfo(one.playbook.name, len(one.playbook.demo)) for one in contexts) if several else ()
    name, provider = ctx.playbook.name, ctx.provider.name
    ctx.emit(RunStarted(command, name, ctx.profile, provider, bring_up.infos(absent), infos))
    started = time.monotonic()
    up, unwritten = _bring_up(ctx, command, absent)
    ended = _all(ctx, contexts, up, work) if several else _alone(ctx, up, work)
    report_bugs(ctx, [*(outcome.error for outcome in up.outcomes.values()), *(one.error for one in ended)])
    codes = (up.exit_code, *(one.exit_code for one in ended), unwritten)
    code = next((code for code in codes if code != EXIT_DONE), EXIT_DONE)
    states = {one.playbook: one.state for one in ended} if several else {}
    seconds = round(time.monotonic() - started, 3)
    ctx.emit(dataclasses.replace(up.summary, ok=code == EXIT_DONE, seconds=seconds, demos=dict(sorted(states.items()))))
    return code


def _bring_up(ctx: Context, command: str, absent: Sequence[AnyStage]) -> tuple[Run, int]:
    """Bring the stages up, and save which playbooks are complete with them; the exit code of that apart."""
    up = bring_up.bring_up(ctx, command, absent)
    made = set(up.names("changed"))
    complete = [
        playbook
        for playbook in ctx.playbook.performances
        if made.intersection(stage.name for stage in playbook.stages) and _blocked(ctx, playbook, up) is None
    ]
    return up, save_applied(ctx, complete, "all of it is up") if complete else EXIT_DONE


def _blocked(ctx: Context, playbook: Playbook, up: Run) -> CanarylabError | None:
    """Why the playbook can't be performed: the first of its stages that didn't come up, already reported."""
    for state in ("failed", "skipped"):
        for stage in playbook.stages:
            if stage.name in up.names(state):
                reason = first_line(up.outcomes[stage.name].reason)
                remedy = f"see to stage {stage.name} first: `{ctx.command('status')}` shows how it is now"
                return StageError(f"stage {stage.name} {state}: {reason}", remedy=remedy)
    return None


def _alone(ctx: Context, up: Run, work: Work) -> list[DemoResult]:
    if up.outcomes and up.exit_code != EXIT_DONE:
        return []  # the stages have said why
    ended = attempt(ctx, work)
    if isinstance(ended.error, CancelledError):
        remedy = f"`{ctx.command('demo --reset')}` brings the Rollout back to rest, wherever it is now"
        ctx.emit(Failure(str(CancelledError(ended.error.what, remedy=remedy)), ended.exit_code))
    elif isinstance(ended.error, CanarylabError):
        ctx.emit(Failure(ended.error.report, ended.exit_code))
    return [ended]


def _all(ctx: Context, contexts: Sequence[Context], up: Run, work: Work) -> list[DemoResult]:
    """How each of them ended, in the order in which they did."""
    ended = run_all([Demonstration(one, _blocked(one, one.playbook, up)) for one in contexts], work)
    if ctx.cancel.is_set:
        remedy = f"`{ctx.command('demo --reset')}` brings all Rollouts back to rest, wherever they are now"
        error = CancelledError("interrupted", remedy=remedy)
        ctx.emit(Failure(str(error), error.exit_code))
    return ended
