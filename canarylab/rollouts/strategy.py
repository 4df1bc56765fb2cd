"""Which strategy a Rollout has, and how far it has come in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from canarylab.kube.objects import Object, dig

Strategy = Literal["canary", "blueGreen"]

PROGRESS_DEADLINE = 600
"""Seconds that Argo gives an update to make progress, where the Rollout doesn't say."""


def strategy_of(rollout: Object) -> Strategy:
    """blueGreen where the spec names it, else canary: that without steps is a rolling update."""
    return "canary" if dig(rollout, "spec", "strategy", "blueGreen") is None else "blueGreen"


def steps_of(rollout: Object) -> Sequence[Any]:
    """Those of a canary, () where there are none."""
    return dig(rollout, "spec", "strategy", "canary", "steps") or ()


def steps_done(rollout: Object) -> int:
    """So many steps are done, so that it is also the index of the one at which the canary stands."""
    return dig(rollout, "status", "currentStepIndex") or 0
