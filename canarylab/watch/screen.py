"""What the watcher shows its states on; the report draws them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from canarylab.watch.state import WatchState

Clock = Callable[[], float]
"""Seconds since 1970."""


class Screen(ABC):
    """Takes every state, one at a time."""

    @abstractmethod
    def show(self, state: WatchState) -> None:
        """Draw a state. Called for one state after the other, never from two threads at once."""

    def close(self) -> None:
        """There will be no more."""
        return
