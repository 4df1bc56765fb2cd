"""Why something stands still, as it was found in the cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

_STILL = 3.0
"""Seconds without a change after which it is asked why, and between two such questions."""


@dataclass(frozen=True)
class Cause:
    """Why it is so, and what to do about it, with commands to paste."""

    why: str
    remedy: str
    permanent: bool = False
    """Whether it stays so until somebody acts, so that waiting is of no use."""
    permanent_after: float = 0.0
    """Seconds for which it must have looked permanent before it is: for what looks again that seldom by itself."""
    halts: bool = False
    """Whether nothing at all goes on meanwhile, so that not even a failure can be waited for."""

    def with_reason(self, reason: str) -> str:
        """The reason that it was looked for, and why it is so, neither of them twice."""
        if self.why in reason:
            return reason
        return self.why if reason in self.why else f"{reason}; {self.why}"


Why = Callable[[], Cause | None]
"""Looks for the cause of a standstill."""


class Standstill:
    """Asks why, once what is waited for has been the same for some seconds: a look costs some requests.

    `now` is the clock that the wait goes by.
    """

    def __init__(self, why: Why | None, now: Callable[[], float]) -> None:
        self._why, self._now = why, now
        self._reason, self._asked = "", now()
        self._found: Cause | None = None
        self._permanent_since: float | None = None

    def cause(self, reason: str) -> Cause | None:
        """What was found last for that reason; None as long as it is young, or nothing was found."""
        now = self._now()
        if reason != self._reason:
            self._reason, self._asked, self._found, self._permanent_since = reason, now, None, None
        elif self._why is not None and now - self._asked >= _STILL:
            self._found = self._patient(self._why())
            self._asked = self._now()
        return self._found

    def _patient(self, found: Cause | None) -> Cause | None:
        """What was found, permanent only once it has been so for as long as it asks for."""
        if found is None or not found.permanent:
            self._permanent_since = None
            return found
        if self._permanent_since is None:
            self._permanent_since = self._now()
        is_over = self._now() - self._permanent_since >= found.permanent_after
        return found if is_over else replace(found, permanent=False)
