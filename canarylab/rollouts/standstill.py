"""Whether a Rollout goes no further until somebody acts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canarylab.kube.objects import dig, listed
from canarylab.rollouts.strategy import steps_done, steps_of

BY_HAND = "manually paused"
"""What Argo's controller says of a Rollout with spec.paused."""

_STEP, _BLUE_GREEN = "CanaryPauseStep", "BlueGreenPause"


def standstill(rollout: Mapping[str, Any]) -> str:
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
    for pause in listed(status, "pauseConditions"):
        if why := _waits(rollout, str(dig(pause, "reason"))):
            return why
    return ""


def _waits(rollout: Mapping[str, Any], reason: str) -> str:
    index, steps = steps_done(rollout), steps_of(rollout)
    if reason == _STEP and index < len(steps) and dig(steps[index], "pause", "duration") is not None:
        return ""
    if reason == _BLUE_GREEN and dig(rollout, "spec", "strategy", "blueGreen", "autoPromotionSeconds"):
        return ""
    where = f" at step {index}/{len(steps)}" if steps else ""
    return f"it is paused{where} ({reason}) until somebody promotes it"
