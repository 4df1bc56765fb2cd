"""The live view on a terminal."""

from __future__ import annotations

import time
from typing import TextIO

from rich.console import Group
from rich.live import Live

from canarylab.report.marks import marks_of
from canarylab.report.rich_lines import console_for, print_lines, window_of
from canarylab.report.rollout.changes import changes, timed
from canarylab.report.rollout.frame import frame
from canarylab.watch.screen import Clock, Screen
from canarylab.watch.state import WatchState

_FRAMES_PER_SECOND = 4


class LiveScreen(Screen):
    """What changes scrolls by; the Rollout as it is now stays below it, and is left there at the end."""

    def __init__(self, stream: TextIO, command: str, clock: Clock = time.time) -> None:
        self._console = console_for(stream)
        self._marks = marks_of(stream)
        self._command, self._clock = command, clock
        self._state: WatchState | None = None
        """Replaced as a whole, so that rich's thread can read it at any time."""
        self._live = Live(
            get_renderable=self._frame,
            console=self._console,
            refresh_per_second=_FRAMES_PER_SECOND,
            vertical_overflow="crop",
        )

    def show(self, state: WatchState) -> None:
        before, self._state = self._state, state
        if before is None:
            self._live.start()
            return
        print_lines(self._console, (timed(each, self._clock()) for each in changes(before, state)))
        if before.view != state.view or before.silence != state.silence:
            self._live.refresh()

    def close(self) -> None:
        try:
            self._live.stop()
        finally:
            self._console.show_cursor()

    def _frame(self) -> Group:
        if self._state is None:
            return Group()
        return Group(*frame(self._state, self._clock(), self._marks, window_of(self._console), self._command))
