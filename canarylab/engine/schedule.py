"""Runs stages in the order of their needs, side by side where they can be."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from canarylab.contract.context import Context
from canarylab.contract.playbook import Limits
from canarylab.contract.stage import AnyStage
from canarylab.engine.outcome import Outcome, Run, attempt, reason
from canarylab.engine.sentinel import explained
from canarylab.events import Notice, StageFinished, StageStarted

Work = Callable[[Context, AnyStage, Limits], Outcome]
"""What is done with one stage. Whatever it raises becomes the stage's outcome."""

_Ended = queue.SimpleQueue[tuple[str, Outcome] | None]
"""Stages as they end, and None when the run is cancelled. (A SimpleQueue may be put to from a signal handler.)"""


def run(ctx: Context, command: str, stages: Sequence[AnyStage], work: Work) -> Run:
    """Start each stage as soon as the last of its needs is done; skip what needs a failed one.

    Needs outside the stages are taken to be there.
    """
    return _run(ctx, Run(command, needs_among(stages)), stages, work, resume="up")


def run_reversed(ctx: Context, command: str, stages: Sequence[AnyStage], work: Work) -> Run:
    """The same the other way round, for removals: `stages` has each after all that need it. A failure skips nothing.

    One at a time, in that order: what a removal leaves depends on what is there besides, as a namespace goes with the
    last of its releases, and two at once would each see the other's half.
    """
    names = [stage.name for stage in stages]
    chain = {name: names[:index][-1:] for index, name in enumerate(names)}  # each needs the one before it
    return _run(ctx, Run(command, chain), stages, work, resume=command, despite_failures=True)


def needs_among(stages: Sequence[AnyStage]) -> dict[str, list[str]]:
    """What each needs of the others."""
    names = {stage.name for stage in stages}
    return {stage.name: [need for need in stage.needs if need in names] for stage in stages}


def _run(
    ctx: Context, run: Run, stages: Sequence[AnyStage], work: Work, *, resume: str, despite_failures: bool = False
) -> Run:
    started = time.monotonic()
    by_name = {stage.name: stage for stage in stages}
    ended: _Ended = queue.SimpleQueue()
    unsubscribe = ctx.cancel.subscribe(lambda: ended.put(None))
    waiting = dict(run.needs)
    running = 0
    with ThreadPoolExecutor(max_workers=max(1, len(stages)), thread_name_prefix="stage") as pool:
        while waiting or running:
            if (name := _next(waiting, run.outcomes)) is not None:
                needs = waiting.pop(name)
                if why := _why_skipped(ctx, run, () if despite_failures else needs):
                    _finish(ctx, run, name, Outcome("skipped", reason=why))
                else:
                    pool.submit(_work, ctx, by_name[name], work, ended)
                    running += 1
            elif item := ended.get():
                running -= 1
                _finish(ctx, run, *item)
            elif running:
                ctx.emit(Notice(f"interrupted: ending what runs; the next `{ctx.command(resume)}` goes on from here"))
    unsubscribe()
    run.seconds, run.interrupted = time.monotonic() - started, ctx.cancel.is_set
    return run


def _next(waiting: Mapping[str, Sequence[str]], outcomes: Mapping[str, Outcome]) -> str | None:
    """The first of those whose needs have all ended."""
    return next((name for name, needs in waiting.items() if all(need in outcomes for need in needs)), None)


def _why_skipped(ctx: Context, run: Run, needs: Sequence[str]) -> str:
    missing = [need for need in needs if run.outcomes[need].state in ("failed", "skipped")]
    if missing:
        return f"needs {missing[0]}"
    return "interrupted" if ctx.cancel.is_set else ""


def _work(ctx: Context, stage: AnyStage, work: Work, ended: _Ended) -> None:
    started = time.monotonic()
    outcome = Outcome("failed")

    def one() -> None:
        nonlocal outcome
        ctx.emit(StageStarted(stage.name))
        limits = ctx.playbook.limits[stage.name]
        outcome = work(ctx.for_stage(stage.name, started + limits.deadline), stage, limits)

    if error := explained(ctx, attempt(one)):
        outcome = Outcome("failed", reason=reason(error), error=error)
    ended.put((stage.name, replace(outcome, seconds=time.monotonic() - started)))


def _finish(ctx: Context, run: Run, name: str, outcome: Outcome) -> None:
    run.outcomes[name] = outcome
    ctx.emit(StageFinished(name, outcome.state, round(outcome.seconds, 3), outcome.reason))
