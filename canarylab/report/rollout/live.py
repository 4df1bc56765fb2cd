"""The live view on a terminal."""

from __future__ import annotations

import time
from typing import TextIO

from rich.console import ConsoleDimensions
from rich.text import Text

from canarylab.report.marks import marks_of
from canarylab.report.rich_lines import LiveRows, console_for, print_lines
from canarylab.report.rollout.changes import changes, timed
from canarylab.report.rollout.frame import frame
from canarylab.watch.state import Clock, Screen, WatchState

_FRAMES_PER_SECOND = 4


class LiveScreen(Screen):
    """What changes scrolls by; the Rollout as it is now stays below it, and is left there at the end."""

    def __init__(self, stream: TextIO, command: str, clock: Clock = time.time) -> None:
        self._console = console_for(stream)
        self._marks = marks_of(stream)
        self._command, self._clock = command, clock
        self._state: WatchState | None = None
        """Replaced as a whole, so that rich's thread can read it at any time."""
        self._live = LiveRows(self._console, self._rows, _FRAMES_PER_SECOND)

    def show(self, state: WatchState) -> None:
        before, self._state = self._state, state
        if before is None:
            self._live.start()
            return
        print_lines(self._console, (timed(each, self._clock()) for each in changes(before, state)))
        if before.view != state.view or before.silence != state.silence:
            self._live.refresh()

    def close(self) -> None:
        self._live.stop()

    def _rows(self, window: ConsoleDimensions) -> list[Text]:
        return frame(self._state, self._clock(), self._marks, window, self._command) if self._state else []
