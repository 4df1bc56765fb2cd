"""The steps of a canary on one line, the one at hand always in sight. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from canarylab.report.live_row import cut
from canarylab.report.rollout.glyphs import Glyphs
from canarylab.watch.view import Steps

_GAP = "  "


def rail(steps: Steps, waits: str, glyphs: Glyphs, width: int) -> Text:
    """As many steps around the one at hand as `width` columns hold; `waits` says how long that one will take."""
    items = [_item(steps, position, waits, glyphs) for position in range(len(steps.words))]
    first = last = steps.index
    line = _line(items, first, last, glyphs)
    if cell_len(line.plain) > width:
        return Text(cut(items[steps.index].plain, width, glyphs.marks), "bold cyan")
    grown = True
    while grown:
        grown = False
        for wider in ((first, last + 1), (first - 1, last)):  # what comes next tells more than what is over
            if wider[0] < 0 or wider[1] >= len(items):
                continue
            longer = _line(items, *wider, glyphs)
            if cell_len(longer.plain) <= width:
                (first, last), line, grown = wider, longer, True
                break
    return line


def _line(items: Sequence[Text], first: int, last: int, glyphs: Glyphs) -> Text:
    more = Text(glyphs.marks.ellipsis, "dim")
    before, after = [more] * (first > 0), [more] * (last < len(items) - 1)
    return Text(_GAP).join([*before, *items[first : last + 1], *after])


def _item(steps: Steps, position: int, waits: str, glyphs: Glyphs) -> Text:
    words = steps.words[position]
    if position < steps.index:
        return Text.assemble((f"{glyphs.marks.done} ", "green"), (words, "dim"))
    if position > steps.index:
        return Text(f"{glyphs.marks.waiting} {words}", "dim")
    return Text(f"{glyphs.here} {words}" + (f" ({waits})" if waits else ""), "bold cyan")
