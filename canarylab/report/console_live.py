"""The live view on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TextIO

from rich.console import ConsoleDimensions, Group
from rich.text import Text

from canarylab.events import Event, Fact, Failure, Notice, RunFinished, RunStarted, StageChange, StageStarted
from canarylab.report import wording
from canarylab.report.lines import Line, is_command, line
from canarylab.report.live_table import frame, table
from canarylab.report.marks import marks_of
from canarylab.report.reader import Reader
from canarylab.report.rich_lines import LiveRows, console_for, print_lines
from canarylab.report.run_view import RunView

FRAMES_PER_SECOND = 8
"""Often enough for the spinner to turn, seldom enough for a slow line."""


class LiveConsole(Reader):
    """Facts and notices scroll by, the table of stages stays below them; at the end it is printed for good."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console_for(stream)
        self._marks = marks_of(stream)
        self._clock = clock
        self._lock = threading.Lock()
        """Guards the view, which rich's thread reads. Never held while printing: rich's own lock comes first."""
        self._view = RunView()
        self._step = ""
        self._closed = False
        self._live = LiveRows(self._console, self._rows, FRAMES_PER_SECOND, transient=True)

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._view.apply(event, self._clock())
        print_lines(self._console, self._lines(event))
        if isinstance(event, RunStarted):
            self._live.start()
        if isinstance(event, RunFinished):
            self.close()

    def close(self) -> None:
        """Take the live view away, give the cursor back, and print how it ended."""
        if self._closed:
            return
        with self._lock:
            self._closed = True
            self._view.close(self._clock())
        self._live.stop()
        self._print_ending()

    def _rows(self, window: ConsoleDimensions) -> list[Text]:
        """Called by rich, from its own thread too. Nothing at the end, which leaves no trace of the view."""
        with self._lock:
            return [] if self._closed else frame(self._view, self._clock(), self._marks, window)

    def _lines(self, event: Event) -> Iterable[Line]:  # noqa: PLR0911 - one for each event
        """What scrolls by above the view."""
        match event:
            case RunStarted():
                return [wording.heading(event)]
            case StageStarted() if event.stage not in self._view.stages:
                return self._heading(event.stage)
            case StageChange() if event.action == "remove":  # shown before it is done, as what can't be taken back
                return [*self._heading(event.stage), wording.change(event).after("  ")]
            case Fact() if event.playbook in self._view.demos:
                return [wording.fact_of_several(event, self._marks)]
            case Fact():
                return [*self._heading(event.step), wording.fact(event, self._marks).after("  ")]
            case Notice():
                return [
                    line(each, verbatim=is_command(each)) for each in wording.notice(event, self._view).splitlines()
                ]
            case Failure() if self._closed:
                return wording.run_failed(event, self._marks)
        return []

    def _heading(self, step: str) -> list[Line]:
        if step == self._step:
            return []
        self._step = step
        return [line(step, "bold")]

    def _print_ending(self) -> None:
        view, marks = self._view, self._marks
        if view.command == "plan":
            print_lines(self._console, wording.plan(view, marks))
        else:
            self._console.print(Group(*table(view, self._clock(), marks, self._console.width)))
        print_lines(self._console, wording.failures(view, marks))
        if view.finished:
            print_lines(self._console, [wording.summary(view.finished, view)])
