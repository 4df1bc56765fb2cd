"""Work whose amount is known, and when it may be done."""

from __future__ import annotations

from dataclasses import dataclass

_TOO_EARLY = 5.0
"""Seconds before an estimate is worth anything."""


@dataclass(frozen=True)
class Work:
    """`done` of `total`, counted since `since` (seconds of some clock), when `before` were done already."""

    done: int
    total: int
    since: float
    before: int

    @classmethod
    def begin(cls, done: int, total: int, now: float) -> Work:
        """Work that is first heard of `now`, with `done` of it done already."""
        return cls(done, total, now, done)

    def advance(self, done: int, total: int, now: float) -> Work:
        """A count that goes back or has another total is other work."""
        if total != self.total or done < self.done:
            return Work.begin(done, total, now)
        return Work(done, total, self.since, self.before)

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0

    def remaining(self, now: float) -> float | None:
        """Seconds until all is done at the pace so far; None while it can't be estimated."""
        elapsed, achieved = now - self.since, self.done - self.before
        if elapsed < _TOO_EARLY or achieved <= 0:
            return None
        return max(0.0, self.total - self.done) * elapsed / achieved
