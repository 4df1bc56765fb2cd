"""The live view as a whole: a row for each stage, the reasons of what failed, a footer, made to fit the window."""

from __future__ import annotations

import dataclasses
import textwrap
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len, set_cell_size
from rich.console import ConsoleDimensions
from rich.text import Text

from canarylab.report import wording
from canarylab.report.formatting import clean, clock, count, first_line, names, roughly, tenths
from canarylab.report.lines import all_text, is_command
from canarylab.report.marks import Marks
from canarylab.report.rich_lines import cut, fit
from canarylab.report.run_view import RunView, StageView, Status, Work

_IMPORTANCE: tuple[Status, ...] = (
    *("running", "failed", "interrupted", "planned", "waiting"),
    *("skipped", "passed", "changed", "unchanged", "not reached"),
)
"""Which rows stay when the window is too small for all of them."""
_GAP = "  "
_INDENT = "  "
"""As wide as a mark with the blank behind it."""
_TIMELESS: tuple[Status, ...] = ("waiting", "skipped", "not reached")
_CLOCK_WIDTH = 7
_NAME_MIN, _NAME_MAX = 8, 28
_ROOM_BESIDE_KIND = 40
"""Columns that must be left for what a stage does, or its kind isn't shown."""
_ROOM_BESIDE_NAME = 24
"""Cells that what a stage does must have beside its name; with less it goes below, where there are lines enough."""
_BAR_MIN, _BAR_MAX = 6, 24
_MESSAGE_MIN = 10


def frame(view: RunView, now: float, marks: Marks, window: ConsoleDimensions) -> list[Text]:
    """What is to be seen at this moment, never more than the window holds."""
    drawing = _Drawing(view, now, marks, window.width)
    rows = drawing.rows(window.height - 1)
    reasons = drawing.reasons(window.height - 1 - len(rows))
    return [*rows, *reasons, drawing.footer()][-max(1, window.height) :]


def table(view: RunView, now: float, marks: Marks, width: int) -> list[Text]:
    """A row for each stage and demonstration, however many they are."""
    return _Drawing(view, now, marks, width).rows()


@dataclass(frozen=True)
class _Drawing:
    """A run as it is at one moment, `width` cells wide."""

    view: RunView
    now: float
    marks: Marks
    width: int

    @cached_property
    def widths(self) -> tuple[int, int]:
        """Cells for names and for kinds, which aren't shown where they would leave too little for the rest."""
        every = [*self.view.rows, *self.view.activities.values()]
        longest = max((cell_len(each.name) for each in every), default=0)
        name = min(longest, _NAME_MAX, max(_NAME_MIN, self.width // 3))
        kind = max((cell_len(each.kind) for each in every), default=0)
        room = self.width - len(_INDENT) - name - kind - _CLOCK_WIDTH - 3 * len(_GAP)
        return name, kind if room >= _ROOM_BESIDE_KIND else 0

    def rows(self, room: int | None = None) -> list[Text]:
        """All of them; with less `room`, the stages that matter, in the playbook's order, and a count of the others."""
        stages, activities = self.view.rows, self.view.activities.values()
        shown = len(stages)
        if room is not None and shown + len(activities) > room:
            shown = max(0, room - len(activities) - 1)
        by_importance = sorted(stages, key=lambda stage: _IMPORTANCE.index(stage.status))
        kept = {stage.name for stage in by_importance[:shown]}
        seen = [stage for stage in stages if stage.name in kept]
        rows = [row for stage in seen for row in self.folded(stage)]
        if room is not None and len(rows) + len(activities) > room:
            rows = [self.row(stage) for stage in seen]
        if hidden := Counter(stage.status for stage in stages if stage.name not in kept):
            counts = ", ".join(f"{number} {status}" for status, number in hidden.items())
            rows.append(Text(cut(f"{_INDENT}and {counts}", self.width, self.marks), "dim"))
        return rows + [row for activity in activities for row in self.activity(activity)]

    def activity(self, activity: StageView) -> list[Text]:
        """A row, and below it in full what it does where that doesn't fit: there is one activity at a time."""
        room = self.width - len(_INDENT) - self.widths[0] - _CLOCK_WIDTH - 2 * len(_GAP)
        message = clean(activity.doing)
        if activity.work or cell_len(message) <= room:
            return [self.row(activity)]
        return [self.row(dataclasses.replace(activity, doing="")), *self._below(message)]

    def folded(self, stage: StageView) -> list[Text]:
        """A row, and below it what the stage does or came to, where a narrow window would cut that to a few letters."""
        row, room = self._head(stage), self.width - self._head(stage).cell_len
        said = clean(self._condition(stage, self.width))
        if room >= _ROOM_BESIDE_NAME or cell_len(said) <= room or (stage.work and not stage.ended):
            return [self.row(stage)]
        style = self.marks.of(stage.status, self.now)[1] if stage.ended else ""
        return [fit(row, self.width), *self._below(said, style)]

    def _below(self, words: str, style: str = "") -> list[Text]:
        """What doesn't fit into a row, wrapped, below it."""
        lines = self._wrapped(_INDENT + words, _INDENT)
        return [Text(cut(each, self.width, self.marks), style) for each in lines]

    def row(self, stage: StageView) -> Text:
        """Mark, name, kind, seconds, and what the stage does, waits for or came to."""
        row, style = self._head(stage), self.marks.of(stage.status, self.now)[1]
        room = self.width - row.cell_len
        if stage.status == "running" and stage.work:
            row.append_text(self._progress(stage.work, stage.doing, room))
        else:
            row.append(cut(self._condition(stage, room), room, self.marks), style if stage.ended else "")
        return fit(row, self.width)

    def _head(self, stage: StageView) -> Text:
        """A row up to its seconds."""
        mark, style = self.marks.of(stage.status, self.now)
        name, kind = self.widths
        return Text.assemble(
            (f"{mark} ", style),
            (self._cell(stage.name, name), "dim" if style == "dim" else ""),
            (self._cell(stage.kind, kind), "dim"),
            self._time(stage).rjust(_CLOCK_WIDTH) + _GAP,
        )

    def _cell(self, text: str, width: int) -> str:
        return set_cell_size(cut(text, width, self.marks), width) + _GAP if width else ""

    def _time(self, stage: StageView) -> str:
        if stage.status == "running":
            return clock(self.now - stage.started)
        return "" if stage.status in _TIMELESS else tenths(stage.seconds)

    def _progress(self, work: Work, doing: str, room: int) -> Text:
        """Bar and count; the time left and what is being done where there is room for them."""
        numbers, left = f" {work.done}/{work.total}", work.remaining(self.now)
        estimate = f", {roughly(left)} left" if left is not None else ""
        if _BAR_MIN + len(numbers + estimate) <= room:
            numbers += estimate
        size = max(_BAR_MIN, min(_BAR_MAX, room // 3, room - len(numbers)))
        done = round(size * work.share)
        bar = (self.marks.bar_done * done, "cyan"), (self.marks.bar_left * (size - done), "dim")
        text = Text.assemble(*bar, numbers)
        spare = room - text.cell_len - len(_GAP)
        if spare >= _MESSAGE_MIN:
            text.append(_GAP + cut(doing, spare, self.marks), "dim")
        text.truncate(max(0, room), overflow="crop")
        return text

    def _condition(self, stage: StageView, room: int) -> str:
        match stage.status:
            case "waiting":
                blockers = self.view.waits_for(stage)
                return f"waits for {names(blockers, room - len('waits for '))}" if blockers else "waits for its turn"
            case "running":
                return stage.doing
            case "failed" | "skipped":
                facts = f", {wording.held(stage.facts)}" if stage.facts else ""
                return f"{stage.status}{facts}: {first_line(stage.reason)}"
            case "planned":
                return f"would make {count(len(stage.changes), 'change')}"
        facts = f", {wording.held(stage.facts)}" if stage.status == "passed" else ""
        return wording.in_words(stage.status, self.view.command) + facts

    def reasons(self, room: int) -> list[Text]:
        """As much of why stages failed as there is room for; at the end of the run it is printed in full."""
        text = all_text([each for stage in self.view.failed for each in wording.stage_failed(stage, self.marks)])
        lines = [folded for each in text.splitlines() for folded in self._folded(each)]
        if len(lines) > room:
            lines = [*lines[: room - 1], f"    {self.marks.ellipsis}"] if room > 1 else []
        return [Text(cut(each, self.width, self.marks), "red") for each in lines]

    def _folded(self, text: str) -> list[str]:
        """A line of a reason, wrapped below itself; a command is cut instead: it is printed in one piece at the end."""
        indent = text[: len(text) - len(text.lstrip())]
        if is_command(text):
            return [text]
        return self._wrapped(text, indent) or [text]

    def _wrapped(self, text: str, indent: str) -> list[str]:
        return textwrap.wrap(text, max(_NAME_MIN, self.width), subsequent_indent=indent, break_on_hyphens=False)

    def footer(self) -> Text:
        """How many have ended, and how long the run has taken."""
        ended = [
            f"{sum(each.ended for each in rows.values())} of {count(len(rows), noun)}"
            for rows, noun in ((self.view.stages, "stage"), (self.view.demos, "demonstration"))
            if rows
        ]
        said = ", ".join([*ended, clock(self.now - self.view.started)])
        return fit(Text.assemble((f"{self.marks.frame(self.now)} ", "cyan"), (said, "dim")), self.width)
