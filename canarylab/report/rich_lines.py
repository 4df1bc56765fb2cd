"""Lines on a terminal. The modules that need rich are imported for terminals only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from canarylab.report.lines import Line, Piece
from canarylab.report.marks import Marks
from canarylab.report.output import forgiving
from canarylab.report.text import clean

Draw = Callable[[ConsoleDimensions], Iterable[Text]]
"""The rows of a live view, from the columns and rows that it may fill."""


class LiveRows(Live):
    """Draws rows again and again, from a thread of its own too; lines that are printed scroll by above them."""

    def __init__(self, console: Console, draw: Draw, per_second: int, *, transient: bool = False) -> None:
        def drawn() -> Group:
            return Group(*draw(ConsoleDimensions(console.width, console.height - 1)))  # the last row is the cursor's

        super().__init__(
            get_renderable=drawn,
            console=console,
            refresh_per_second=per_second,
            transient=transient,
            vertical_overflow="crop",
        )

    def stop(self) -> None:
        """Draw no more, and give the cursor back in any case."""
        try:
            super().stop()
        finally:
            self.console.show_cursor()


def console_for(stream: TextIO) -> Console:
    """Prints text as it is: nothing in a message is taken for markup, a number or an emoji."""
    return Console(file=forgiving(stream), markup=False, highlight=False, emoji=False)


def print_lines(console: Console, lines: Iterable[Line]) -> None:
    """Print each line; what is wrapped hangs below its text, a verbatim line is never wrapped."""
    for each in lines:
        if each.verbatim or not each.body:
            console.print(_text((*each.lead, *each.body)), soft_wrap=True)
        elif not any(piece.text for piece in each.lead):
            console.print(_text(each.body))
        else:
            grid = Table.grid(Column(no_wrap=True), Column(overflow="fold"))
            grid.add_row(_text(each.lead), _text(each.body))
            console.print(grid)


def _text(pieces: Iterable[Piece]) -> Text:
    return Text.assemble(*((clean(piece.text), piece.style) for piece in pieces))


def cut(text: str, width: int, marks: Marks) -> str:
    """The text's first line with its indentation, shortened to a width in cells."""
    text = clean(text).strip("\n").partition("\n")[0]
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - len(marks.ellipsis))) + marks.ellipsis[: max(0, width)]


def fit(row: Text, width: int) -> Text:
    """The row itself, as a live view shows it: nothing at its end, and never wider than the window (in cells)."""
    row.no_wrap, row.overflow = True, "crop"
    row.rstrip()
    row.truncate(width, overflow="crop")
    return row
