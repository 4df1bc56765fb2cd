"""Waits for claims about the cluster to come true: by watching the objects they are about, else by asking again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pydantic import Field

from canarylab.cancel import wait_until
from canarylab.contract.context import Context
from canarylab.contract.playbook import Seconds
from canarylab.contract.step import Claim, RolloutOptions, Step
from canarylab.kube.watch import Watch
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.view import RolloutView, read_rollout, watches

T = TypeVar("T")

_ASK_AGAIN = 0.05


class BeginOptions(RolloutOptions):
    """Options of a step after which Argo's controller has to begin with something."""

    timeout: Seconds = Field(30, description="how long the controller may take to begin")


def wait_for(
    ctx: Context, watched: Sequence[Watch], look: Callable[[], Iterable[Claim]], timeout: float
) -> tuple[Claim, ...]:
    """The claims as `look` last saw them: once all hold, once one is hopeless, or after `timeout` seconds.

    What can't be watched, for which `watched` is (), is looked at again and again.
    """
    latest: tuple[Claim, ...] = ()
    said = ""

    def check() -> str | None:
        nonlocal latest, said
        latest = tuple(look())
        open_ones = [claim for claim in latest if not claim.holds]
        if not open_ones or any(claim.hopeless for claim in open_ones):
            return None
        if (reason := str(open_ones[0])) != said:
            ctx.progress(f"waiting: {reason}")
            said = reason
        return reason

    deadline = min(ctx.deadline, ctx.cancel.now() + timeout)
    if watched:
        ctx.cluster.wait(watched, check, deadline=deadline, cancel=ctx.cancel)
    else:
        wait_until(lambda: check() is None, deadline=deadline, cancel=ctx.cancel)
    return latest


def ask_until(ctx: Context, ask: Callable[[], T], enough: Callable[[T], bool], timeout: float) -> T:
    """What was answered last: once that is enough, or after `timeout` seconds. For what no claim is made of."""
    deadline = min(ctx.deadline, ctx.cancel.now() + timeout)
    while not enough(answer := ask()) and ctx.cancel.now() < deadline:
        ctx.cancel.sleep(_ASK_AGAIN)
    return answer


def expect(
    ctx: Context, step: Step, options: RolloutOptions, look: Callable[[RolloutView], Iterable[Claim]], timeout: float
) -> None:
    """Report the claims that `look` makes of the Rollout once all hold, or after `timeout` seconds.

    Raises ExpectationError for one that doesn't, with the cause that the cluster shows and the remedy for that.
    """
    seen = wait_for(
        ctx, watches(options.namespace), lambda: look(read_rollout(ctx, options.namespace, options.rollout)), timeout
    )
    step.report(ctx, causes.explained(ctx, options.namespace, options.rollout, seen))
