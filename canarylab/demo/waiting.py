"""Waits for claims about the cluster to come true: by watching the objects they are about, else by asking again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pydantic import Field

from canarylab.cancel import wait_until
from canarylab.contract.cause import Standstill, Why
from canarylab.contract.context import Context
from canarylab.contract.playbook import Seconds
from canarylab.contract.step import Claim, RolloutOptions, Step
from canarylab.kube.watch import Watch
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.view import RolloutView, read_rollout, watches

T = TypeVar("T")

_FAILED = "Degraded"

_ASK_AGAIN = 0.05


class BeginOptions(RolloutOptions):
    """Options of a step after which Argo's controller has to begin with something."""

    timeout: Seconds = Field(30, description="how long the controller may take to begin")


def wait_for(
    ctx: Context,
    watched: Sequence[Watch],
    look: Callable[[], Iterable[Claim]],
    timeout: float,
    why: Why | None = None,
) -> tuple[Claim, ...]:
    """The claims as `look` last saw them: once all hold, once one is permanent, or after `timeout` seconds.

    What can't be watched, for which `watched` is (), is looked at again and again. Where nothing changes for a while,
    `why` is asked, and what it finds is shown; a cause that only a person can mend isn't waited on.
    """
    latest: tuple[Claim, ...] = ()
    said = ""
    standstill = Standstill(why, ctx.cancel.now)

    def check() -> str | None:
        nonlocal latest, said
        latest = tuple(look())
        open_ones = [claim for claim in latest if not claim.holds]
        if not open_ones or any(claim.permanent for claim in open_ones):
            return None
        reason = str(open_ones[0])
        cause = standstill.cause(reason)
        if (words := f"{reason}; {cause.why}" if cause else reason) != said:
            ctx.progress(f"waiting: {words}")
            said = words
        return None if cause and cause.permanent and (cause.halts or not _awaits_failure(open_ones)) else words

    deadline = min(ctx.deadline, ctx.cancel.now() + ctx.patient(timeout))
    if watched:
        ctx.cluster.wait(watched, check, deadline=deadline, cancel=ctx.cancel)
    else:
        wait_until(lambda: check() is None, deadline=deadline, cancel=ctx.cancel)
    return latest


def _awaits_failure(claims: Iterable[Claim]) -> bool:
    """Whether it is for the Rollout to fail that is waited, as it will where nobody mends it."""
    return any(claim.expected.startswith(_FAILED) for claim in claims)


def ask_until(ctx: Context, ask: Callable[[], T], enough: Callable[[T], bool], timeout: float) -> T:
    """What was answered last: once that is enough, or after `timeout` seconds. For what no claim is made of."""
    deadline = min(ctx.deadline, ctx.cancel.now() + ctx.patient(timeout))
    while not enough(answer := ask()) and ctx.cancel.now() < deadline:
        ctx.cancel.sleep(_ASK_AGAIN)
    return answer


def expect(
    ctx: Context, step: Step, options: RolloutOptions, look: Callable[[RolloutView], Iterable[Claim]], timeout: float
) -> None:
    """Report the claims that `look` makes of the Rollout once all hold, or after `timeout` seconds.

    Raises ExpectationError for one that doesn't, with the cause that the cluster shows and the remedy for that.
    """
    name = (options.namespace, options.rollout)
    seen = wait_for(
        ctx,
        watches(options.namespace),
        lambda: look(read_rollout(ctx, *name)),
        timeout,
        lambda: causes.standstill(ctx, *name),
    )
    step.report(ctx, causes.explained(ctx, options.namespace, options.rollout, seen))
