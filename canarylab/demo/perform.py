"""Performs a demonstration: its steps in order, and in the end whatever they left open is closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from canarylab.demo.base import Claim, Session, Step, disappointed, report
from canarylab.demo.traffic_stream import Traffic, conclude

if TYPE_CHECKING:
    from canarylab.context import Context


def perform(ctx: Context, steps: Sequence[Step]) -> None:
    """Run every step; each fact is emitted as it is asserted.

    Raises the first step's error: ExpectationError for what wasn't as expected, CancelledError on Ctrl-C. Background
    traffic that still flows then, or at the end, is stopped and reported.
    """
    session = Session()
    try:
        for step in steps:
            ctx.cancel.check()
            step.run(ctx.for_stage(step.kind, ctx.deadline), session)
    except BaseException:
        _close(ctx, session)
        raise
    if failed := _close(ctx, session):
        raise disappointed(ctx, Traffic.kind, failed)


def _close(ctx: Context, session: Session) -> Claim | None:
    """Stop what still runs; the claim that doesn't hold, if there is one."""
    background = session.take_background()
    return report(ctx, Traffic.kind, [conclude(background)]) if background else None
