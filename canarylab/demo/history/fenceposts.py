"""maxSurge and maxUnavailable of a Rollout as numbers of pods. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from canarylab.kube.objects import Object, dig

_QUARTER = "25%"
_ALL = 100


def fenceposts(rollout: Object, replicas: int) -> tuple[int, int]:
    """maxSurge and maxUnavailable in pods: as Argo resolves them (resolveFenceposts in utils/replicaset), 25 % each.

    Percentages round up for the one and down for the other; where both come out as 0, one pod may be unavailable.
    """
    canary = dig(rollout, "spec", "strategy", "canary") or {}
    surge = _pods(canary.get("maxSurge", _QUARTER), replicas, math.ceil)
    unavailable = _pods(canary.get("maxUnavailable", _QUARTER), replicas, math.floor)
    if not surge and not unavailable:
        unavailable = 1
    return surge, min(unavailable, replicas)


def _pods(value: int | str, replicas: int, rounded: Callable[[float], int]) -> int:
    """A number of pods, or of percent if it is text."""
    return value if isinstance(value, int) else rounded(int(value.rstrip("%")) * replicas / _ALL)
