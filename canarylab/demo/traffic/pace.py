"""How many requests are under way at once: as many as an answer doesn't suffer from.

A starving machine, such as an emulated one, answers one request soon and sixteen at once too late: 184 of 200 over TLS
took more than 5 s there. What the asker causes so isn't the application's failure. Therefore it begins with few and
goes on to more, but back where that makes answers late. An application that is slow by itself, however few ask, is
asked as much as may be. Whatever gets no answer in time counts as failed.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

_FIRST = 4
_STEP = 1.5
_HARMLESS, _RISKY, _LATE = 0.25, 0.5, 0.6
"""Parts of the time that an answer may take: how long it takes doesn't matter; more at once might be too many; too
many are asked already."""
_SLOWER = 1.25
"""Times as long: by the number asked at once, as chance makes less of a difference."""


@dataclass(frozen=True)
class _Level:
    at_once: int
    usual: float
    """Seconds that half of the answers didn't exceed."""


class Pace:
    """Begins with a few at once and goes up to `most`. `timeout` is how many seconds an answer may take."""

    def __init__(self, most: int, timeout: float) -> None:
        self.most = most
        self.timeout = timeout
        self.at_once = min(_FIRST, most)
        self._highest = most
        self._lowest = 1
        self._before: _Level | None = None
        self._late = 0.0
        self._since = float("-inf")
        self._taken: list[float] = []

    def took(self, asked: float, now: float) -> None:
        """An answer has come, or is no longer waited for. Points of time.monotonic()."""
        if asked < self._since:  # among more or fewer than now
            return
        self._taken.append(now - asked)
        if len(self._taken) >= max(_FIRST, self.at_once):
            level, self._taken = _Level(self.at_once, statistics.median(self._taken)), []
            self._learn(level)
            self.at_once = self._next(level)
            if self.at_once != level.at_once:
                self._before, self._since = level, now
            else:
                self._before = None

    def _learn(self, now: _Level) -> None:
        """What the last step to more or fewer has shown."""
        before = self._before
        if before is None:
            return
        more, fewer = sorted((before, now), key=lambda level: -level.at_once)
        if more.usual <= _SLOWER * fewer.usual:
            self._lowest = max(self._lowest, more.at_once)  # it takes as long with fewer
        elif more.usual >= _HARMLESS * self.timeout:
            self._highest = fewer.at_once

    def _next(self, now: _Level) -> int:
        fewer, more = max(1, int(now.at_once / _STEP)), min(self._highest, int(now.at_once * _STEP))
        is_slow_by_itself = self._lowest >= now.at_once > 1
        if now.at_once > self._highest or (now.usual >= _LATE * self.timeout and fewer >= self._lowest):
            self._late = now.usual
            return min(fewer, self._highest)
        if more > now.at_once and (now.usual < _RISKY * self.timeout or is_slow_by_itself):
            return more
        self._late = now.usual if now.at_once < self.most else 0.0
        return max(now.at_once, min(self._lowest, self._highest))

    def __str__(self) -> str:
        """That answers come late and how many are asked at once, in words; "" where that changes nothing."""
        if not self._late or self.at_once == self.most:
            return ""
        return f"answers take {self._late:.1f} s: {self.at_once} at once instead of {self.most}"
