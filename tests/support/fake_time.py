"""Time that passes at once, for whoever waits by `canarylab.cancel.Cancel`."""

from __future__ import annotations

import threading
import time

from canarylab.cancel import Cancel

_ANOTHER_THREADS_TURN = 0.005
"""Seconds, really: what is waited for is done by another thread."""


class FakeTime(Cancel):
    """A clock that stands still: sleeping puts it forward at once, and each look at it by `tick` seconds."""

    def __init__(self, tick: float = 0.0) -> None:
        super().__init__()
        self.slept = 0.0
        """Seconds, all in all."""
        self._now = time.monotonic()
        self.tick = tick

    def now(self) -> float:
        self._now += self.tick
        return self._now

    def sleep(self, seconds: float) -> None:
        self.check()
        self.slept += seconds
        self._now += seconds

    def sleep_unless(self, over: threading.Event, seconds: float) -> bool:
        self.slept += seconds
        self._now += seconds
        return over.wait(_ANOTHER_THREADS_TURN)
