"""The live view as a whole: a row for each stage, the reasons of what failed, a footer, made to fit the window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from canarylab.report import wording
from canarylab.report.lines import as_text
from canarylab.report.live_row import Layout, cut
from canarylab.report.marks import Marks
from canarylab.report.run_view import RunView, StageView, Status
from canarylab.report.text import clock, count

_IMPORTANCE: tuple[Status, ...] = (
    *("running", "failed", "interrupted", "planned", "waiting"),
    *("skipped", "passed", "changed", "unchanged", "not reached"),
)
"""Which rows stay when the window is too small for all of them."""


@dataclass(frozen=True)
class Window:
    """Columns and rows that a frame may fill."""

    width: int
    height: int


def frame(view: RunView, now: float, marks: Marks, window: Window) -> list[Text]:
    """What is to be seen at this moment, never more than the window holds."""
    room = window.height - 1
    rows = table(view, now, marks, window.width, room)
    reasons = _reasons(view, marks, window.width, room - len(rows))
    footer = _footer(view, now, marks, window.width)
    return [*rows, *reasons, footer][-max(1, window.height) :]


def table(view: RunView, now: float, marks: Marks, width: int, room: int | None = None) -> list[Text]:
    """A row for each stage and demonstration; with less `room`, those that matter and a count of the others."""
    stages = view.rows
    activities = list(view.activities.values())
    shown, hidden = _most_important(stages, len(stages) if room is None else room - len(activities))
    layout = Layout.fit([*stages, *activities], marks, width)
    rows = [layout.row(stage, view, now) for stage in shown]
    if hidden:
        rows.append(Text(cut(f"  and {_counts(hidden)}", width, marks), "dim"))
    return rows + [row for activity in activities for row in layout.activity(activity, view, now)]


def _most_important(stages: Sequence[StageView], room: int) -> tuple[list[StageView], list[StageView]]:
    """The stages that get a row, in the playbook's order, and the others, whose count takes one row."""
    if len(stages) <= room:
        return list(stages), []
    by_importance = sorted(stages, key=lambda stage: _IMPORTANCE.index(stage.status))
    kept = {stage.name for stage in by_importance[: max(0, room - 1)]}
    return [each for each in stages if each.name in kept], [each for each in stages if each.name not in kept]


def _counts(stages: Sequence[StageView]) -> str:
    return ", ".join(f"{number} {status}" for status, number in Counter(stage.status for stage in stages).items())


def _reasons(view: RunView, marks: Marks, width: int, room: int) -> list[Text]:
    """As much of the reasons of failed stages as there is room for; at the end of the run they are printed in full."""
    text = "\n".join(as_text(each) for stage in view.failed for each in wording.stage_failed(stage, marks))
    lines = [Text(cut(each, width, marks), "red") for each in text.split("\n")] if text else []
    if len(lines) <= room:
        return lines
    return [*lines[: room - 1], Text(cut(f"    {marks.ellipsis}", width, marks), "red")] if room > 1 else []


def _footer(view: RunView, now: float, marks: Marks, width: int) -> Text:
    parts = [
        f"{sum(each.ended for each in rows.values())} of {count(len(rows), noun)}"
        for rows, noun in ((view.stages, "stage"), (view.demos, "demonstration"))
        if rows
    ]
    said = ", ".join([*parts, clock(now - view.started)])
    text = Text.assemble((f"{marks.frame(now)} ", "cyan"), (said, "dim"))
    text.truncate(width, overflow="crop")
    return text
