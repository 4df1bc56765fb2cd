"""Looks at stages without changing anything: one walk, on which all stand that ask what is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from canarylab.contract.context import Context
from canarylab.contract.stage import AnyStage
from canarylab.errors import CanarylabError, NotYetObservableError, StageError
from canarylab.events import Notice

T = TypeVar("T")


@dataclass(frozen=True)
class Look(Generic[T]):
    """What was seen of a stage, or else why it wasn't: `not_yet` while what it lives in isn't there, or `error`."""

    stage: AnyStage
    seen: T | None = None
    not_yet: NotYetObservableError | None = None
    error: CanarylabError | None = None


def look(
    ctx: Context, stages: Sequence[AnyStage], see: Callable[[Context, AnyStage], T], seconds: float = 120.0
) -> list[Look[T]]:
    """Look at every stage, side by side, each for at most `seconds`; in their order."""

    def one(stage: AnyStage) -> Look[T]:
        try:
            return Look(stage, see(ctx.for_stage(stage.name, time.monotonic() + seconds), stage))
        except NotYetObservableError as error:
            return Look(stage, not_yet=error)
        except CanarylabError as error:
            return Look(stage, error=error)

    with ThreadPoolExecutor(max_workers=max(1, len(stages)), thread_name_prefix="look") as pool:
        return list(pool.map(one, stages))


def survey(ctx: Context, stages: Sequence[AnyStage]) -> None:
    """Have every stage observe, before the first change on a cluster that others use.

    Raises what the first one in the way said, or all of it in one error: there is nothing to take back yet. What can't
    be observed before other stages are up isn't in the way.
    """
    ctx.emit(Notice("checking what is already in the cluster before changing anything"))
    looks = look(ctx, stages, lambda ctx, stage: stage.changes(stage.observe(ctx)))
    ctx.cancel.check()
    found = [look.error for look in looks if look.error]
    if len(found) == 1:
        raise found[0]
    if found:
        raise StageError(
            f"{len(found)} stages can't work with what is there; nothing was changed",
            why="\n".join(str(error) for error in found),
            remedy=f"see to each of them as it says; `{ctx.command('plan')}` looks again without changing anything",
        )


def absent_stages(ctx: Context) -> list[AnyStage]:
    """The playbook's stages of which nothing is there, in its order; none where no cluster answers.

    What is there in part, or can't be looked at, isn't among them: `up` repairs, and says what is in its way.
    """
    below = {stage.name for stage in ctx.provider.infrastructure.stages()}
    stages = [stage for stage in ctx.playbook.stages if stage.name not in below]
    if not stages or not _is_there(ctx):
        return []
    looks = look(ctx, stages, lambda ctx, stage: stage.is_absent(stage.observe(ctx)))
    return [look.stage for look in looks if look.seen or look.not_yet]


def _is_there(ctx: Context) -> bool:
    """Whether the cluster answers; one that is somebody else's counts only once `up` has been there."""
    try:
        return ctx.cluster.ready() is None and ctx.ownership.was_brought_up(ctx)
    except CanarylabError:
        return False
