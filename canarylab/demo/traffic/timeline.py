"""What became of the requests of the background traffic, period after period.

Requests are counted, not kept, so that traffic may flow for days. Every request belongs to exactly one period, and
every period is judged by somebody: so no failure goes unseen, whenever it happened.
"""

from __future__ import annotations

import copy
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from canarylab.demo.traffic.client import Answer, Target

_SAMPLES = 5


@dataclass(frozen=True)
class FailureMode:
    """A way to fail: `kind` as the client names it; `revision` as the answer says, "" where none did."""

    target: Target
    revision: str
    kind: str


@dataclass(frozen=True)
class Moment:
    """When something was done. Times are points of time.monotonic(), in seconds."""

    name: str
    at: float


@dataclass
class Period:
    """What was counted from one cut of the timeline to the next."""

    requests: Counter[Target] = field(default_factory=Counter)
    failures: Counter[FailureMode] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)
    """The first failures in words, with the seconds since the traffic began."""
    moment: Moment | None = None
    """The last that was noted."""
    last_failure: float | None = None
    good: int = 0
    """Requests that were answered well since the last failure and the last noted moment."""

    @property
    def total(self) -> int:
        """Requests of the period, failed ones included."""
        return self.requests.total()

    @property
    def failed(self) -> int:
        """Failed requests of the period."""
        return self.failures.total()


class Timeline:
    """Written by the thread that sends the requests, read by the steps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._period = Period()

    def count(self, target: Target, answer: Answer) -> None:
        """A request was answered, or failed, just now."""
        with self._lock:
            period = self._period
            period.requests[target] += 1
            if not answer.failure:
                period.good += 1
                return
            period.failures[FailureMode(target, answer.revision, answer.failure)] += 1
            period.last_failure, period.good = self._clock(), 0
            if len(period.samples) < _SAMPLES:
                after = period.last_failure - self._began
                period.samples.append(f"{target}, after {after:.1f} s: {answer.words}")

    def note(self, name: str) -> None:
        """Something is done just now that the traffic may answer to."""
        with self._lock:
            self._period.moment, self._period.good = Moment(name, self._clock()), 0

    def so_far(self) -> Period:
        """The period at hand, as it is now."""
        with self._lock:
            return copy.deepcopy(self._period)

    def cut(self) -> Period:
        """The same, and a new one begins."""
        with self._lock:
            period, self._period = self._period, Period()
        return period
