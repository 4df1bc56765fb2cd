"""What steps about one Rollout do in the end: wait for it, and report what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from canarylab.contract.step import Claim, RolloutOptions, Step
from canarylab.demo.waiting import wait_for
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.view import RolloutView, read_rollout, watches

if TYPE_CHECKING:
    from canarylab.contract.context import Context


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
