"""Plain lines for pipes and the logs of CI: one for each thing that matters, none twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TextIO

from canarylab import events
from canarylab.report import wording
from canarylab.report.formatting import first_line, seconds
from canarylab.report.lines import Line, Piece, as_text, line, marked
from canarylab.report.marks import marks_of
from canarylab.report.output import Output
from canarylab.report.reader import Reader
from canarylab.report.run_view import RunView

COUNTED_EVERY = 10.0
"""Seconds between two lines of work that is counted."""
LASTS = 2.0
"""Seconds after which a part of counted work that has a name of its own is named all the same: it is what lasts."""


@dataclass(frozen=True)
class _Unsaid:
    """A line of counted work that came too soon after another."""

    message: str
    said: str
    since: float


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
        self._message: dict[str, str] = {}
        self._counted: dict[str, float] = {}
        self._unsaid: dict[str, _Unsaid] = {}
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        """Held while a line is written: what lasts is named from a thread of its own."""

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            now = self._clock()
            self._view.apply(event, now)
            self._write(self._lines(event, now), now)

    def close(self) -> None:
        with self._lock:
            self._unsaid.clear()
            if self._timer:
                self._timer.cancel()

    def _write(self, lines: Iterable[Line], now: float) -> None:
        for each in lines:
            self._output.write(as_text(each.after(f"[{now - self._start:6.1f} s] ")))

    def _lines(self, event: events.Event, now: float) -> Iterable[Line]:  # noqa: PLR0911 - one for each event
        match event:
            case events.RunStarted():
                return [wording.heading(event)]
            case events.StageStarted():
                return [line(f"{event.stage}: started")]
            case events.StageProgress():
                return self._progress(event, now)
            case events.StageChange():
                diff = "\n" + event.diff.rstrip("\n") if event.diff and self._view.command == "plan" else ""
                return [Line((Piece(f"{event.stage}: "), *wording.change(event).body, Piece(diff)))]
            case events.StageFinished():
                self._unsaid.pop(event.stage, None)
                return [self._ended(event.stage, event, event.reason.strip())]
            case events.DemoStarted():
                return [line(f"demonstration of {event.playbook}: started")]
            case events.Fact() if event.playbook in self._view.demos:
                return [wording.fact_of_several(event, self._marks)]
            case events.Fact():
                heading = [] if event.step == self._step else [line(event.step)]
                self._step = event.step
                return [*heading, wording.fact(event, self._marks)]
            case events.DemoFinished():  # why it failed is said in full at the end, where it stands together
                return [self._ended(f"demonstration of {event.playbook}", event, first_line(event.reason))]
            case events.Notice():
                return [line(wording.notice(event, self._view))]
            case events.Failure() if not self._was_said(event.message.strip()):
                return [marked(self._marks.of("failed"), event.message.strip())]
            case events.RunFinished():
                return [*wording.demos(self._view, self._marks), wording.summary(event, self._view)]
        return []

    def _progress(self, event: events.StageProgress, now: float) -> list[Line]:
        several = event.playbook in self._view.demos
        who, said = ": ".join(filter(None, (event.playbook if several else "", event.stage))), event.message
        self._unsaid.pop(who, None)
        if event.done is not None and event.total is not None:
            said += f" ({event.done}/{event.total})"
            if now - self._counted.get(who, -COUNTED_EVERY) < COUNTED_EVERY:
                if event.message != self._message.get(who):
                    self._unsaid[who] = _Unsaid(event.message, said, now)
                    self._look_again(LASTS)
                return []
            self._counted[who] = now
        return self._say(who, event.message, said)

    def _say(self, who: str, message: str, said: str) -> list[Line]:
        if self._said.get(who) == said:
            return []
        self._said[who], self._message[who] = said, message
        return [line(f"{who}: {said}" if who else said)]

    def _look_again(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = threading.Timer(seconds, self._name_what_lasts)
            self._timer.daemon = True
            self._timer.start()

    def _name_what_lasts(self) -> None:
        with self._lock:
            self._timer, now = None, self._clock()
            for who, each in list(self._unsaid.items()):
                if now - each.since >= LASTS:
                    del self._unsaid[who]
                    self._counted[who] = now
                    self._write(self._say(who, each.message, each.said), now)
            if self._unsaid:
                self._look_again(max(0.05, min(each.since for each in self._unsaid.values()) + LASTS - now))

    def _ended(self, who: str, event: events.StageFinished | events.DemoFinished, reason: str) -> Line:
        """Why something changed was said with each change."""
        after = "" if event.state == "skipped" else f" after {seconds(event.seconds)}"
        why = f": {reason}" if reason and event.state in ("failed", "skipped") else ""
        return line(f"{who}: {wording.in_words(event.state, self._view.command)}{after}{why}")

    def _was_said(self, reason: str) -> bool:
        """When a stage failed of it."""
        return any(stage.reason.strip() == reason for stage in self._view.stages.values())
