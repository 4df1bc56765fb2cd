"""Plain lines for pipes and the logs of CI: one for each thing that matters, none twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TextIO

from canarylab.events import (
    DemoFinished,
    DemoStarted,
    Event,
    Fact,
    Failure,
    Notice,
    RunFinished,
    RunStarted,
    StageChange,
    StageFinished,
    StageProgress,
    StageStarted,
)
from canarylab.report import wording
from canarylab.report.lines import Line, Piece, as_text, line, marked
from canarylab.report.marks import marks_of
from canarylab.report.output import Output
from canarylab.report.reader import Reader
from canarylab.report.run_view import RunView
from canarylab.report.text import first_line, seconds

COUNTED_EVERY = 10.0
"""Seconds between two lines of work that is counted."""


class PlainConsole(Reader):
    """Each line begins with the seconds since the start."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._output = Output(stream)
        self._marks = marks_of(stream)
        self._clock = clock
        self._start = clock()
        self._view = RunView()
        self._step = ""
        self._said: dict[str, str] = {}
        self._counted: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        now = self._clock()
        self._view.apply(event, now)
        for each in self._lines(event, now):
            stamp = f"[{now - self._start:6.1f} s] "
            self._output.write(as_text(Line(each.body, (Piece(stamp), *each.lead))))

    def _lines(self, event: Event, now: float) -> Iterable[Line]:  # noqa: PLR0911 - one for each event
        match event:
            case RunStarted():
                return [wording.heading(event)]
            case StageStarted():
                return [line(f"{event.stage}: started")]
            case StageProgress():
                return self._progress(event, now)
            case StageChange():
                return self._change(event)
            case StageFinished():
                return self._finished(event)
            case DemoStarted():
                return [line(f"demonstration of {event.playbook}: started")]
            case Fact() if event.playbook in self._view.demos:
                return [wording.fact_of_several(event, self._marks)]
            case Fact():
                return self._fact(event)
            case DemoFinished():
                return [self._demo_finished(event)]
            case Notice():
                return [line(wording.notice(event, self._view))]
            case Failure():
                return self._failure(event)
            case RunFinished():
                return [*wording.demos(self._view, self._marks), wording.summary(event, self._view)]
        return []

    def _progress(self, event: StageProgress, now: float) -> list[Line]:
        several = event.playbook in self._view.demos
        who = ": ".join(filter(None, (event.playbook if several else "", event.stage)))
        counted = f" ({event.done}/{event.total})" if event.done is not None and event.total is not None else ""
        if counted:
            if now - self._counted.get(who, -COUNTED_EVERY) < COUNTED_EVERY:
                return []
            self._counted[who] = now
        said = event.message + counted
        if self._said.get(who) == said:
            return []
        self._said[who] = said
        return [line(f"{who}: {said}" if who else said)]

    def _change(self, event: StageChange) -> list[Line]:
        diff = "\n" + event.diff.rstrip("\n") if event.diff and self._view.command == "plan" else ""
        return [Line((Piece(f"{event.stage}: "), *wording.change(event).body, Piece(diff)))]

    def _finished(self, event: StageFinished) -> list[Line]:
        """Why it changed was said with each change."""
        state = wording.changed_word(self._view.command) if event.state == "changed" else event.state
        after = "" if event.state == "skipped" else f" after {seconds(event.seconds)}"
        reason = f": {event.reason.strip()}" if event.state in ("failed", "skipped") and event.reason else ""
        return [line(f"{event.stage}: {state}{after}{reason}")]

    def _fact(self, event: Fact) -> list[Line]:
        heading = [] if event.step == self._step else [line(event.step)]
        self._step = event.step
        return [*heading, wording.fact(event, self._marks)]

    def _failure(self, event: Failure) -> list[Line]:
        if any(stage.reason.strip() == event.message.strip() for stage in self._view.stages.values()):
            return []  # said when the stage failed
        return [marked(self._marks.failed, event.message.strip(), "")]

    def _demo_finished(self, event: DemoFinished) -> Line:
        """Why it failed is said in full at the end, where it stands together."""
        state = wording.demo_state(event.state, self._view.command)
        after = "" if event.state == "skipped" else f" after {seconds(event.seconds)}"
        reason = f": {first_line(event.reason)}" if event.reason and event.state != "interrupted" else ""
        return line(f"demonstration of {event.playbook}: {state}{after}{reason}")
