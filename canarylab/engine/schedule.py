"""Runs the stages of a playbook: in the order of their needs, side by side where they can be.

For each stage whose needs are healthy: observe, changes, apply, wait for health, observe again; what then still has
changes has failed as not idempotent. The cluster is the only state there is.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from canarylab import graph
from canarylab.contract.context import Context
from canarylab.contract.playbook import Limits, Playbook
from canarylab.contract.stage import AnyStage, Change
from canarylab.engine.survey import survey
from canarylab.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    CanarylabError,
    CommandError,
    NotYetObservableError,
    StageError,
    UsageError,
    machine_trouble,
)
from canarylab.events import Notice, RunFinished, RunStarted, StageChange, StageFinished, StageInfo, StageStarted, State
from canarylab.kube.client import ApiError
from canarylab.yamlfile.problems import choose

_RETRY_PAUSE = 1.0


@dataclass(frozen=True)
class Outcome:
    """How one stage ended. `seconds` counts from its start, waiting for its needs not included."""

    state: State
    seconds: float
    reason: str = ""
    error: BaseException | None = None


@dataclass
class Run:
    """One run of stages: what was to be run, and the outcomes in the order in which the stages ended."""

    command: str
    needs: Mapping[str, Sequence[str]]
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: float = 0.0
    interrupted: bool = False

    def names(self, state: State) -> tuple[str, ...]:
        return tuple(name for name, outcome in self.outcomes.items() if outcome.state == state)

    @property
    def exit_code(self) -> int:
        """0, or the code of the first failure: that of its own class."""
        if self.interrupted:
            return EXIT_INTERRUPTED
        for outcome in self.outcomes.values():
            if outcome.state == "failed":
                return outcome.error.exit_code if isinstance(outcome.error, CanarylabError) else EXIT_BUG
        return EXIT_DONE

    @property
    def summary(self) -> RunFinished:
        """The event that ends the run; the command emits it once it has nothing more to say."""
        times = {name: round(outcome.seconds, 3) for name, outcome in self.outcomes.items()}
        path, path_seconds = graph.critical_path(self.needs, {name: times.get(name, 0.0) for name in self.needs})
        return RunFinished(
            command=self.command,
            ok=self.exit_code == EXIT_DONE,
            seconds=round(self.seconds, 3),
            changed=self.names("changed") + self.names("planned"),
            unchanged=self.names("unchanged"),
            failed=self.names("failed"),
            skipped=self.names("skipped"),
            stage_seconds=times,
            critical_path=tuple(path),
            critical_path_seconds=round(path_seconds, 3),
        )


_Ended = queue.SimpleQueue[tuple[str, Outcome] | None]
"""Stages as they end, and None when the run is cancelled. (A SimpleQueue may be put to from a signal handler.)"""


def preflight(ctx: Context, selected: Sequence[AnyStage]) -> None:
    """Let each stage say what is in its way, before a password is asked for or anything is changed."""
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
    return _run(ctx, "plan", selected, _plan_stage)


def examine(ctx: Context, selected: Sequence[AnyStage]) -> None:
    """Raise for what is known to go wrong before anything of it is changed."""
    for stage in selected:
        stage.check()
    if not ctx.provider.owns_cluster:
        survey(ctx, selected)


def bring_up(ctx: Context, command: str, selected: Sequence[AnyStage]) -> Run:
    """The same as part of a command that has announced its run itself."""
    return _run(ctx, command, selected, _bring_up)


def infos(selected: Sequence[AnyStage]) -> tuple[StageInfo, ...]:
    """The stages as a run announces them."""
    needs = _needs(selected)
    return tuple(StageInfo(stage.name, stage.kind, tuple(needs[stage.name])) for stage in selected)


def _announce(ctx: Context, command: str, selected: Sequence[AnyStage]) -> None:
    ctx.emit(RunStarted(command, ctx.playbook.name, ctx.profile, ctx.provider.name, infos(selected)))


def _needs(selected: Sequence[AnyStage]) -> dict[str, list[str]]:
    """What each needs of the others."""
    names = {stage.name for stage in selected}
    return {stage.name: [need for need in stage.needs if need in names] for stage in selected}


def _run(
    ctx: Context, command: str, selected: Sequence[AnyStage], work: Callable[[Context, AnyStage, Limits], Outcome]
) -> Run:
    run = Run(command, _needs(selected))
    started = time.monotonic()
    _schedule(ctx, {stage.name: stage for stage in selected}, run, work)
    run.seconds, run.interrupted = time.monotonic() - started, ctx.cancel.is_set
    return run


def _schedule(
    ctx: Context,
    stages: Mapping[str, AnyStage],
    run: Run,
    work: Callable[[Context, AnyStage, Limits], Outcome],
) -> None:
    """Start each stage as soon as the last of its needs is done; skip what needs a failed one."""
    waiting = dict(run.needs)
    ended: _Ended = queue.SimpleQueue()
    unsubscribe = ctx.cancel.subscribe(lambda: ended.put(None))
    running = 0
    with ThreadPoolExecutor(max_workers=max(1, len(stages)), thread_name_prefix="stage") as pool:
        while waiting or running:
            for name in [name for name, wanted in waiting.items() if all(need in run.outcomes for need in wanted)]:
                blocked = [need for need in waiting.pop(name) if run.outcomes[need].state in ("failed", "skipped")]
                if blocked or ctx.cancel.is_set:
                    reason = f"needs {blocked[0]}" if blocked else "interrupted"
                    _finish(ctx, run, name, Outcome("skipped", 0.0, reason))
                    break  # what needs this one can be decided now
                pool.submit(_work, ctx, stages[name], work, ended)
                running += 1
            else:
                if running and (item := ended.get()):
                    running -= 1
                    _finish(ctx, run, *item)
                elif running:
                    ctx.emit(Notice(f"interrupted: ending what runs; the next `{ctx.command('up')}` goes on from here"))
    unsubscribe()


def _work(
    ctx: Context,
    stage: AnyStage,
    work: Callable[[Context, AnyStage, Limits], Outcome],
    ended: _Ended,
) -> None:
    started = time.monotonic()
    try:
        ctx.emit(StageStarted(stage.name))
        limits = ctx.playbook.limits[stage.name]
        outcome = work(ctx.for_stage(stage.name, started + limits.deadline), stage, limits)
    except CanarylabError as error:
        outcome = Outcome("failed", 0.0, str(error), error)
    except OSError as error:
        told = machine_trouble(error)
        outcome = Outcome("failed", 0.0, str(told), told)
    except BaseException as error:  # a bug must not leave the run hanging; its traceback is kept with the outcome
        outcome = Outcome("failed", 0.0, f"{type(error).__name__}: {error}", error)
    ended.put((stage.name, Outcome(outcome.state, time.monotonic() - started, outcome.reason, outcome.error)))


def _finish(ctx: Context, run: Run, name: str, outcome: Outcome) -> None:
    run.outcomes[name] = outcome
    ctx.emit(StageFinished(name, outcome.state, round(outcome.seconds, 3), outcome.reason))


# -- one stage --------------------------------------------------------------------------------------------------------


def _bring_up(ctx: Context, stage: AnyStage, limits: Limits) -> Outcome:
    changes = stage.changes(stage.observe(ctx))
    for change in changes:
        _report(ctx, change)
    if changes:
        _apply(ctx, stage, changes, limits.retries)
    _await_health(ctx, stage)
    if not changes:
        return Outcome("unchanged", 0.0)
    left = stage.changes(stage.observe(ctx))
    if left:
        raise StageError(
            f"not idempotent: after it was applied, {left[0].subject} would be changed again ({left[0].reason})",
            where=f"stage {stage.name}",
            why=left[0].diff or "something else changes it back, or the stage can't read what it wrote",
            remedy=f"`{ctx.command('plan')}` shows it; if another controller owns the field, name it in "
            "ignore-differences",
        )
    return Outcome("changed", 0.0, "; ".join(dict.fromkeys(change.reason for change in changes)))


def _apply(ctx: Context, stage: AnyStage, changes: list[Change], retries: int) -> None:
    """Apply, and again after a failure that may pass: a program that failed, an API server that refused."""
    for attempt in range(retries + 1):
        try:
            stage.apply(ctx, changes)
        except (CommandError, ApiError) as error:
            if attempt == retries or ctx.remaining <= _RETRY_PAUSE:
                raise
            ctx.progress(f"failed, trying again ({attempt + 1} of {retries}): {error.what}")
            ctx.cancel.sleep(_RETRY_PAUSE)
            changes = stage.changes(stage.observe(ctx)) or changes
        else:
            return


def _await_health(ctx: Context, stage: AnyStage) -> None:
    shown = ""

    def look() -> str | None:
        nonlocal shown
        try:
            reason = stage.health(ctx)
        except ApiError as error:
            if not error.may_pass:
                raise
            reason = error.what
        if reason and reason != shown:
            ctx.progress(f"waiting: {reason}")
            shown = reason
        return reason

    reason = look()
    if reason is None:
        return
    watches = stage.watches()
    if watches:
        reason = ctx.cluster.wait(watches, look, deadline=ctx.deadline, cancel=ctx.cancel)
    if reason is not None:
        seconds = ctx.playbook.limits[stage.name].deadline
        raise StageError(
            f"not healthy within {seconds:.0f} s: {reason}",
            where=f"stage {stage.name}",
            remedy=f"`{ctx.command('status')}` shows all stages; `{ctx.command('up')}` goes on from here; a longer "
            "`deadline` can be set in the playbook",
        )


def _plan_stage(ctx: Context, stage: AnyStage, limits: Limits) -> Outcome:  # noqa: ARG001 - as _bring_up
    try:
        changes = stage.changes(stage.observe(ctx))
    except NotYetObservableError as error:
        change = Change("create", stage.name, f"everything of it: {error.what}")
        _report(ctx, change)
        return Outcome("planned", 0.0, change.reason)
    for change in changes:
        _report(ctx, change)
    return Outcome("planned" if changes else "unchanged", 0.0, changes[0].reason if changes else "")


def _report(ctx: Context, change: Change) -> None:
    ctx.emit(StageChange(ctx.stage, change.action, change.subject, change.reason, change.diff))


def select(playbook: Playbook, only: Sequence[str], start: str | None) -> list[AnyStage]:
    """The stages that `--only` names with all they need, or those from `--from` on; all of them by default."""
    needs = {stage.name: stage.needs for stage in playbook.stages}
    require_stages(playbook, [*only, *([start] if start else [])])
    wanted = set(needs)
    if only:
        wanted = graph.with_needs(needs, only)
    if start:
        wanted &= graph.dependents(needs, [start])
    return [stage for stage in playbook.stages if stage.name in wanted]


def require_stages(playbook: Playbook, names: Iterable[str]) -> None:
    """Raise UsageError for a name that no stage of the playbook or its provider has."""
    known = [stage.name for stage in playbook.stages]
    for name in names:
        if not name:
            raise UsageError("--only needs the name of a stage", remedy=f"one of: {', '.join(known)}")
        if name not in known:
            raise UsageError(f"playbook {playbook.name} has no stage {name!r}", remedy=choose(name, known))
