"""One stage as one row of the live view."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from canarylab.report.marks import Marks
from canarylab.report.run_view import RunView, StageView, Status
from canarylab.report.text import clean, clock, count, first_line, names, roughly, tenths
from canarylab.report.wording import changed_word, demo_state, held
from canarylab.report.work import Work

_STYLES: dict[Status, str] = {
    "waiting": "dim",
    "running": "cyan",
    "changed": "green",
    "unchanged": "green",
    "passed": "green",
    "planned": "yellow",
    "failed": "bold red",
    "skipped": "dim",
    "interrupted": "bold yellow",
    "not reached": "dim",
}
_TIMELESS: tuple[Status, ...] = ("waiting", "skipped", "not reached")
_GAP = "  "
_CLOCK_WIDTH = 7
_NAME_MAX = 28
_NAME_MIN = 8
_ROOM_BESIDE_KIND = 40
"""Columns that must be left for what a stage does, or its kind isn't shown."""
_BAR_MIN, _BAR_MAX = 6, 24
_MESSAGE_MIN = 10


def cut(text: str, width: int, marks: Marks) -> str:
    """The text's first line with its indentation, shortened to a width in cells."""
    text = clean(text).strip("\n").partition("\n")[0]
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - len(marks.ellipsis))) + marks.ellipsis[: max(0, width)]


@dataclass(frozen=True)
class Layout:
    """Widths of the row and its columns, in cells; a kind of width 0 isn't shown."""

    marks: Marks
    width: int
    name: int
    kind: int

    @classmethod
    def fit(cls, stages: Sequence[StageView], marks: Marks, width: int) -> Layout:
        """Columns as wide as these stages need, within `width` cells."""
        longest = max((cell_len(stage.name) for stage in stages), default=0)
        name = min(longest, _NAME_MAX, max(_NAME_MIN, width // 3))
        kind = max((cell_len(stage.kind) for stage in stages), default=0)
        room = width - len("✔ ") - name - kind - _CLOCK_WIDTH - 3 * len(_GAP)
        return cls(marks, width, name, kind if room >= _ROOM_BESIDE_KIND else 0)

    def activity(self, activity: StageView, view: RunView, now: float) -> list[Text]:
        """A row, and below it in full what it does where that doesn't fit: there is one activity at a time."""
        room = self.width - len("✔ ") - self.name - _CLOCK_WIDTH - 2 * len(_GAP)
        message = clean(activity.doing)
        if activity.work or cell_len(message) <= room:
            return [self.row(activity, view, now)]
        indent = " " * len("✔ ")
        lines = textwrap.wrap(message, max(_NAME_MIN, self.width), initial_indent=indent, subsequent_indent=indent)
        below = [Text(cut(each, self.width, self.marks)) for each in lines]
        return [self.row(dataclasses.replace(activity, doing=""), view, now), *below]

    def row(self, stage: StageView, view: RunView, now: float) -> Text:
        """Mark, name, kind, seconds, and what the stage does, waits for or came to."""
        style = _STYLES[stage.status]
        text = Text(no_wrap=True, overflow="crop")
        text.append(f"{self._mark(stage, now)} ", style)
        text.append(self._cell(stage.name, self.name), "dim" if style == "dim" else "")
        text.append(self._cell(stage.kind, self.kind), "dim")
        text.append(_time(stage, now).rjust(_CLOCK_WIDTH) + _GAP)
        text.append_text(self._what(stage, view, now, self.width - cell_len(text.plain)))
        text.rstrip()
        text.truncate(self.width, overflow="crop")
        return text

    def _mark(self, stage: StageView, now: float) -> str:
        match stage.status:
            case "running":
                return self.marks.frame(now)
            case "waiting" | "planned":
                return self.marks.waiting
            case "failed" | "interrupted":
                return self.marks.failed
            case "skipped" | "not reached":
                return self.marks.skipped
        return self.marks.done

    def _cell(self, text: str, width: int) -> str:
        return set_cell_size(cut(text, width, self.marks), width) + _GAP if width else ""

    def _what(self, stage: StageView, view: RunView, now: float, room: int) -> Text:
        if stage.status == "running" and stage.work:
            return self._progress(stage.work, stage.doing, now, room)
        text = cut(_condition(stage, view, room), room, self.marks)
        return Text(text, _STYLES[stage.status] if stage.ended else "")

    def _progress(self, work: Work, doing: str, now: float, room: int) -> Text:
        """Bar and count; the time left and what is being done where there is room for them."""
        numbers = f" {work.done}/{work.total}"
        left = work.remaining(now)
        estimate = f", {roughly(left)} left" if left is not None else ""
        if _BAR_MIN + len(numbers) + len(estimate) <= room:
            numbers += estimate
        size = max(_BAR_MIN, min(_BAR_MAX, room // 3, room - len(numbers)))
        done = round(size * work.share)
        text = Text.assemble(
            (self.marks.bar_done * done, "cyan"), (self.marks.bar_left * (size - done), "dim"), numbers
        )
        spare = room - size - len(numbers) - len(_GAP)
        if spare >= _MESSAGE_MIN:
            text.append(_GAP + cut(doing, spare, self.marks), "dim")
        text.truncate(max(0, room), overflow="crop")
        return text


def _time(stage: StageView, now: float) -> str:
    if stage.status == "running":
        return clock(now - stage.started)
    return "" if stage.status in _TIMELESS else tenths(stage.seconds)


def _condition(stage: StageView, view: RunView, room: int) -> str:  # noqa: PLR0911 - one for each status
    match stage.status:
        case "waiting":
            blockers = view.waits_for(stage)
            return f"waits for {names(blockers, room - len('waits for '))}" if blockers else "waits for its turn"
        case "running":
            return stage.doing
        case "failed" | "skipped" if stage.facts:
            return f"{stage.status}, {held(stage.facts)}: {first_line(stage.reason)}"
        case "failed" | "skipped":
            return f"{stage.status}: {first_line(stage.reason)}"
        case "passed":
            return f"{demo_state(stage.status, view.command)}, {held(stage.facts)}"
        case "changed":
            return changed_word(view.command)
        case "planned":
            return f"would make {count(len(stage.changes), 'change')}"
    return stage.status
