"""Why something stands still, as it was found in the cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_STILL = 3.0
"""Seconds without a change after which it is asked why, and between two such questions."""


@dataclass(frozen=True)
class Cause:
    """Why it is so, and what to do about it, with commands to paste."""

    why: str
    remedy: str
    permanent: bool = False
    """Whether it stays so until somebody acts, so that waiting is of no use."""


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

    def cause(self, reason: str) -> Cause | None:
        """What was found last for that reason; None as long as it is young, or nothing was found."""
        now = self._now()
        if reason != self._reason:
            self._reason, self._asked, self._found = reason, now, None
        elif self._why is not None and now - self._asked >= _STILL:
            self._found = self._why()
            self._asked = self._now()
        return self._found
