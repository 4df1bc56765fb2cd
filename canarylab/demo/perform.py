"""Performs a demonstration: its steps in order, and in the end whatever they left open is closed."""

from __future__ import annotations

from collections.abc import Sequence

from canarylab.contract.context import Context
from canarylab.contract.step import Session, Step, report, unmet
from canarylab.demo.preconditions import require_no_loss, require_rollouts
from canarylab.errors import CanarylabError


def perform(ctx: Context, steps: Sequence[Step]) -> None:
    """Let every step say what is in its way, then run them; each fact is emitted as it is asserted.

    Raises the first step's error: ExpectationError for what wasn't as expected, CancelledError on Ctrl-C. What steps
    left open then, or at the end, is concluded and reported.
    """
    require_rollouts(ctx, steps)
    require_no_loss(ctx, steps)
    for step in steps:
        step.check(ctx.for_stage(step.kind, ctx.deadline))
    session = Session()
    try:
        for step in steps:
            ctx.cancel.check()
            step.run(ctx.for_stage(step.kind, ctx.deadline), session)
    except BaseException:
        _conclude(ctx, session)
        raise
    if failed := _conclude(ctx, session):
        raise failed


def _conclude(ctx: Context, session: Session) -> CanarylabError | None:
    """End all that still goes on; the first error of it."""
    errors = list[CanarylabError]()
    for name, thing in session.take_all().items():
        try:
            if failed := report(ctx, name, thing.conclude(ctx)):
                errors.append(unmet(ctx, name, failed))
        except CanarylabError as error:
            errors.append(error)
    return errors[0] if errors else None
