"""What is known at one moment: the Rollout, its traffic, and whether the cluster still answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from canarylab.rollouts.routes.weights import RouteWeight
from canarylab.watch.traffic import Traffic
from canarylab.watch.view import WatchView

_PATIENCE = 3.0


@dataclass(frozen=True)
class Silence:
    """The API server doesn't answer `since` a time in seconds since 1970, for a reason."""

    since: float
    why: str


@dataclass(frozen=True)
class State:
    """`view` is as it was last read; with a `silence` it may have changed since."""

    view: WatchView
    traffic: Traffic
    astray: tuple[RouteWeight, ...] = ()
    """The routes that say something else than the Rollout's status, and not only in passing."""
    silence: Silence | None = None


class Lasting:
    """Tells a disagreement that stays from one in passing: status and routes are written one after the other."""

    def __init__(self) -> None:
        self._astray: tuple[RouteWeight, ...] = ()
        self._since = 0.0

    def of(self, astray: tuple[RouteWeight, ...], now: float) -> tuple[RouteWeight, ...]:
        """The routes that were the same ones for some seconds, on any clock that goes on; none before that."""
        if astray != self._astray:
            self._astray, self._since = astray, now
        return astray if now - self._since >= _PATIENCE else ()
