"""How many requests are under way at once: as many as are answered soon.

A starving machine, such as an emulated one, answers one request soon and sixteen at once too late: 184 of 200 over TLS
took more than 5 s there. What the asker causes so isn't the application's failure. Therefore it begins with few, and
asks more at once as long as answers come soon; whatever still gets no answer in time counts as failed.
"""

from __future__ import annotations

import statistics

_FIRST = 4
_SOON, _LATE = 0.1, 0.25
"""Parts of the time that an answer may take: below the one more are asked at once, from the other on fewer."""


class Pace:
    """Begins with a few at once and goes up to `most`. `timeout` is how many seconds an answer may take."""

    def __init__(self, most: int, timeout: float) -> None:
        self.most = most
        self.timeout = timeout
        self.at_once = min(_FIRST, most)
        self._late = 0.0
        self._taken: list[float] = []

    def took(self, seconds: float) -> None:
        """An answer took so long, or was not waited for any longer."""
        self._taken.append(seconds)
        if len(self._taken) < max(_FIRST, self.at_once):
            return
        usual, self._taken = statistics.median(self._taken), []
        if usual >= self.timeout * _LATE:
            self.at_once, self._late = max(1, self.at_once // 2), usual
        elif usual < self.timeout * _SOON:
            self.at_once = min(self.most, self.at_once * 2)

    def __str__(self) -> str:
        """That answers come late and how many are asked at once, in words; "" where they come soon."""
        if not self._late or self.at_once == self.most:
            return ""
        return f"answers took {self._late:.1f} s: {self.at_once} at once instead of {self.most}"
