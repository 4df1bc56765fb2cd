"""Which strategy a Rollout has, how far it has come in it, and whether it goes further by itself. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from canarylab.kube.objects import Object, dig, listed
from canarylab.kube.times import epoch
from canarylab.rollouts.steps import pause_seconds

Strategy = Literal["canary", "blueGreen"]

PROGRESS_DEADLINE = 600
"""Seconds that Argo gives an update to make progress, where the Rollout doesn't say."""

INCONCLUSIVE = "InconclusiveAnalysisRun"
"""Why a Rollout pauses whose analysis can't decide."""

BY_HAND = "manually paused"
"""What Argo's controller says of a Rollout with spec.paused."""


def strategy_of(rollout: Object) -> Strategy:
    """blueGreen where the spec names it, else canary: that without steps is a rolling update."""
    return "canary" if dig(rollout, "spec", "strategy", "blueGreen") is None else "blueGreen"


def steps_of(rollout: Object) -> Sequence[Any]:
    """Those of a canary, () where there are none."""
    return dig(rollout, "spec", "strategy", "canary", "steps") or ()


def steps_done(rollout: Object) -> int:
    """So many steps are done, so that it is also the index of the one at which the canary stands."""
    return dig(rollout, "status", "currentStepIndex") or 0


def standstill(rollout: Object) -> str:
    """Why it waits for somebody; "" where it may go on by itself, or still has to do what it was asked to.

    A pause with a duration ends by itself, and so does that of blueGreen with autoPromotionSeconds.
    """
    status = dig(rollout, "status")
    if dig(status, "observedGeneration") != str(dig(rollout, "metadata", "generation")):
        return ""
    if dig(rollout, "spec", "paused"):
        return f"it is {BY_HAND} (spec.paused)"
    if dig(status, "abort") or dig(status, "promoteFull"):
        return ""
    pauses = (pause for pause in listed(status, "pauseConditions") if _seconds(rollout, pause) is None)
    waiting = [str(dig(pause, "reason")) for pause in pauses]
    if not waiting:
        return ""
    where = f" at step {steps_done(rollout)}/{len(steps_of(rollout))}" if steps_of(rollout) else ""
    return f"it is paused{where} ({', '.join(waiting)}) until somebody promotes it"


def pause_ends_at(rollout: Object) -> float | None:
    """When the pause that the controller is in ends by itself, in seconds since 1970; None where it doesn't."""
    if dig(rollout, "spec", "paused"):
        return None
    pauses = listed(rollout, "status", "pauseConditions")
    ends = ((epoch(dig(pause, "startTime")), _seconds(rollout, pause)) for pause in pauses)
    return next((began + seconds for began, seconds in ends if began and seconds), None)


def _seconds(rollout: Object, pause: Any) -> float | None:
    """For how long it pauses; None where only a person ends it."""
    if dig(pause, "reason") == "BlueGreenPause":
        return dig(rollout, "spec", "strategy", "blueGreen", "autoPromotionSeconds") or None
    at_hand = steps_of(rollout)[steps_done(rollout) :]
    return pause_seconds(at_hand[0]) if at_hand and dig(pause, "reason") == "CanaryPauseStep" else None
