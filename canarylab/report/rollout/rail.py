"""The steps of a canary on one line, the one at hand always in sight. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from canarylab.report.marks import Marks
from canarylab.report.rich_lines import cut
from canarylab.watch.view import Steps

_GAP = "  "


def rail(steps: Steps, waits: str, marks: Marks, width: int) -> Text:
    """As many steps around the one at hand as `width` columns hold; `waits` says how long that one will take."""
    items = [_item(steps, position, waits, marks) for position in range(len(steps.words))]

    def fits(first: int, last: int) -> bool:
        return first >= 0 and last < len(items) and _line(items, first, last, marks).cell_len <= width

    first = last = steps.index
    if not fits(first, last):
        return Text(cut(items[steps.index].plain, width, marks), "bold cyan")
    while True:
        if fits(first, last + 1):  # what comes next tells more than what is over
            last += 1
        elif fits(first - 1, last):
            first -= 1
        else:
            return _line(items, first, last, marks)


def at_hand(steps: Steps, waits: str, marks: Marks) -> Text:
    """The step that the Rollout is at, alone."""
    return _item(steps, steps.index, waits, marks)


def _line(items: Sequence[Text], first: int, last: int, marks: Marks) -> Text:
    more = Text(marks.ellipsis, "dim")
    before, after = [more] * (first > 0), [more] * (last < len(items) - 1)
    return Text(_GAP).join([*before, *items[first : last + 1], *after])


def _item(steps: Steps, position: int, waits: str, marks: Marks) -> Text:
    words = steps.words[position]
    if position < steps.index:
        return Text.assemble((f"{marks.done} ", "green"), (words, "dim"))
    if position > steps.index:
        return Text(f"{marks.waiting} {words}", "dim")
    return Text(f"{marks.here} {words}" + (f" ({waits})" if waits else ""), "bold cyan")
