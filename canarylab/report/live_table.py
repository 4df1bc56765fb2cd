"""The table of stages on a terminal: one row each, made to fit the window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from canarylab.report import wording
from canarylab.report.lines import as_text
from canarylab.report.marks import Marks
from canarylab.report.run_view import RunView, StageView, Status
from canarylab.report.text import clean, clock, count, first_line, names, roughly
from canarylab.report.work import Work

_STYLES: dict[Status, str] = {
    "waiting": "dim",
    "running": "cyan",
    "changed": "green",
    "unchanged": "green",
    "planned": "yellow",
    "failed": "bold red",
    "skipped": "dim",
    "interrupted": "bold yellow",
    "not reached": "dim",
}
_IMPORTANCE: tuple[Status, ...] = ("running", "failed", "planned", "waiting", "skipped", "changed", "unchanged")
"""Which rows stay when the window is too small for all of them."""
_GAP = "  "
_CLOCK_WIDTH = 7
_NAME_MAX = 28
_ROOM_BESIDE_KIND = 40
"""Columns that must be left for what a stage does, or its kind isn't shown."""
_BAR_MIN, _BAR_MAX = 6, 24
_MESSAGE_MIN = 10
_TENTHS_UNTIL = 100


@dataclass(frozen=True)
class Window:
    """Columns and rows that a frame may fill."""

    width: int
    height: int


def frame(view: RunView, now: float, marks: Marks, window: Window) -> list[Text]:
    """What is to be seen at this moment, never more than the window holds."""
    footer = _footer(view, now, marks, window)
    rows = table(view, now, marks, window.width, room=window.height - 1)
    reasons = _reasons(view, marks, window, room=window.height - 1 - len(rows))
    return [*rows, *reasons, footer][-max(1, window.height) :]


def table(view: RunView, now: float, marks: Marks, width: int, room: int | None = None) -> list[Text]:
    """A row for each stage; with less `room` than stages, those that matter and a count of the others."""
    every = [*view.stages.values(), *view.activities.values()]
    shown, hidden = _most_important(every, len(every) if room is None else room)
    layout = _Layout.fit(every, marks, width)
    rows = [layout.row(stage, view, now) for stage in shown]
    return [*rows, _rest(hidden, layout)] if hidden else rows


def _most_important(stages: Sequence[StageView], room: int) -> tuple[list[StageView], list[StageView]]:
    if len(stages) <= room:
        return list(stages), []
    by_importance = sorted(stages, key=lambda stage: _IMPORTANCE.index(stage.status))
    kept = {stage.name for stage in by_importance[: max(0, room - 1)]}
    return [each for each in stages if each.name in kept], [each for each in stages if each.name not in kept]


def _rest(hidden: Sequence[StageView], layout: _Layout) -> Text:
    counts = Counter(stage.status for stage in hidden)
    text = ", ".join(f"{number} {status}" for status, number in counts.items())
    return Text(layout.cut(f"  and {text}", layout.width), "dim")


def _footer(view: RunView, now: float, marks: Marks, window: Window) -> Text:
    ended = sum(stage.ended for stage in view.stages.values())
    progress = f"{ended} of {len(view.stages)} stages, " if view.stages else ""
    text = Text.assemble((f"{marks.frame(now)} ", "cyan"), (f"{progress}{clock(now - view.started)}", "dim"))
    text.truncate(window.width)
    return text


def _reasons(view: RunView, marks: Marks, window: Window, room: int) -> list[Text]:
    """As much of the reasons of failed stages as there is room for; at the end of the run they are printed in full."""
    lines = [
        as_text(each)
        for stage in view.stages.values()
        if stage.status == "failed"
        for each in wording.stage_failed(stage, marks)
    ]
    cut = [Text(_cut(each, window.width, marks), "red") for text in lines for each in text.split("\n")]
    if len(cut) <= room:
        return cut
    more = Text(f"    {marks.ellipsis}", "red")
    return [*cut[: room - 1], more] if room > 1 else []


@dataclass(frozen=True)
class _Layout:
    """Widths of the columns, in cells; a kind of width 0 isn't shown."""

    marks: Marks
    width: int
    name: int
    kind: int

    @classmethod
    def fit(cls, stages: Sequence[StageView], marks: Marks, width: int) -> _Layout:
        name = min(max((cell_len(stage.name) for stage in stages), default=0), _NAME_MAX, max(8, width // 3))
        kind = max((cell_len(stage.kind) for stage in stages), default=0)
        room = width - 2 - name - kind - _CLOCK_WIDTH - 3 * len(_GAP)
        return cls(marks, width, name, kind if room >= _ROOM_BESIDE_KIND else 0)

    def cut(self, text: str, width: int) -> str:
        return _cut(text, width, self.marks)

    def row(self, stage: StageView, view: RunView, now: float) -> Text:
        style = _STYLES[stage.status]
        text = Text(no_wrap=True, overflow="crop")
        text.append(f"{self._mark(stage, now)} ", style)
        text.append(self._cell(stage.name, self.name), "dim" if style == "dim" else "")
        if self.kind:
            text.append(self._cell(stage.kind, self.kind), "dim")
        text.append(_time(stage, now).rjust(_CLOCK_WIDTH) + _GAP)
        text.append_text(self._what(stage, view, now, self.width - cell_len(text.plain)))
        text.rstrip()
        return text

    def _mark(self, stage: StageView, now: float) -> str:
        marks = self.marks
        return {
            "waiting": marks.waiting,
            "running": marks.frame(now),
            "planned": marks.waiting,
            "failed": marks.failed,
            "skipped": marks.skipped,
            "interrupted": marks.failed,
            "not reached": marks.skipped,
        }.get(stage.status, marks.done)

    def _cell(self, text: str, width: int) -> str:
        return set_cell_size(self.cut(text, width), width) + _GAP

    def _what(self, stage: StageView, view: RunView, now: float, room: int) -> Text:
        if stage.status == "running" and stage.work:
            return self._progress(stage.work, stage.doing, now, room)
        return Text(self.cut(_doing(stage, view, room), room), _STYLES[stage.status] if stage.ended else "")

    def _progress(self, work: Work, doing: str, now: float, room: int) -> Text:
        """Bar and count; the time left and what is being done where there is room for them."""
        numbers = f" {work.done}/{work.total}"
        left = work.remaining(now)
        estimate = f", {roughly(left)} left" if left is not None else ""
        if _BAR_MIN + len(numbers) + len(estimate) <= room:
            numbers += estimate
        size = max(_BAR_MIN, min(_BAR_MAX, room // 3, room - len(numbers)))
        filled = round(size * work.share)
        text = Text.assemble(
            (self.marks.bar_done * filled, "cyan"), (self.marks.bar_left * (size - filled), "dim"), numbers
        )
        spare = room - cell_len(text.plain) - len(_GAP)
        if spare >= _MESSAGE_MIN:
            text.append(_GAP + self.cut(doing, spare), "dim")
        text.truncate(room)
        return text


def _cut(text: str, width: int, marks: Marks) -> str:
    """The text's first line, shortened to a width in cells."""
    text = first_line(clean(text)) if "\n" in text else clean(text)
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - len(marks.ellipsis))) + marks.ellipsis[: max(0, width)]


def _time(stage: StageView, now: float) -> str:
    if stage.status == "running":
        return clock(now - stage.started)
    if stage.status in ("waiting", "skipped", "not reached"):
        return ""
    return f"{stage.seconds:.1f} s" if stage.seconds < _TENTHS_UNTIL else clock(stage.seconds)


def _doing(stage: StageView, view: RunView, room: int) -> str:
    match stage.status:
        case "waiting":
            blockers = view.waits_for(stage)
            return f"waits for {names(blockers, room - len('waits for '))}" if blockers else "waits for its turn"
        case "running":
            return stage.doing
        case "failed" | "skipped":
            return f"{stage.status}: {first_line(stage.reason)}"
        case "planned":
            return f"would make {count(len(stage.changes), 'change')}"
    return stage.status
