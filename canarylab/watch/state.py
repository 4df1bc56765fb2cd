"""What is known at one moment: the Rollout, its traffic, and whether the cluster still answers; and what shows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from canarylab.contract.cause import Cause
from canarylab.rollouts.routes.route_objects import RouteWeight
from canarylab.watch.traffic import GatewayTraffic
from canarylab.watch.view import WatchView

_PATIENCE = 3.0

Clock = Callable[[], float]
"""Seconds since 1970."""


@dataclass(frozen=True)
class Silence:
    """The API server doesn't answer `since` a time in seconds since 1970, for a reason."""

    since: float
    why: str


@dataclass(frozen=True)
class WatchState:
    """`view` is as it was last read; with a `silence` it may have changed since."""

    view: WatchView
    traffic: GatewayTraffic
    mismatched: tuple[RouteWeight, ...] = ()
    """The routes that say something else than the Rollout's status, and not only in passing."""
    silence: Silence | None = None
    cause: Cause | None = None
    """Why the Rollout has stood still for a while, where something is found."""


class Screen(ABC):
    """Takes every state, one at a time; the report draws them."""

    @abstractmethod
    def show(self, state: WatchState) -> None:
        """Draw a state. Called for one state after the other, never from two threads at once."""

    def close(self) -> None:
        """There will be no more."""
        return


class Debounce:
    """Lets only lasting mismatches through: status and routes are written one after the other."""

    def __init__(self) -> None:
        self._mismatched: tuple[RouteWeight, ...] = ()
        self._since = 0.0

    def settled(self, mismatched: tuple[RouteWeight, ...], now: float) -> tuple[RouteWeight, ...]:
        """The routes that were the same ones for some seconds, on any clock that goes on; none before that."""
        if mismatched != self._mismatched:
            self._mismatched, self._since = mismatched, now
        return mismatched if now - self._since >= _PATIENCE else ()
