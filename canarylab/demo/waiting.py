"""Waits for claims about the cluster to come true, by watching the objects they are about."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from canarylab.contract.step import Claim

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.watch import Watch


def wait_for(
    ctx: Context, watches: Sequence[Watch], look: Callable[[], Iterable[Claim]], timeout: float
) -> tuple[Claim, ...]:
    """The claims as `look` last saw them: once all hold, once one is hopeless, or after `timeout` seconds."""
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

    deadline = min(ctx.deadline, time.monotonic() + timeout)
    ctx.cluster.wait(watches, check, deadline=deadline, cancel=ctx.cancel)
    return latest
