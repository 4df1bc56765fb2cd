"""Lines on a terminal. The modules that need rich are imported for terminals only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from canarylab.report.formatting import clean
from canarylab.report.lines import Line, Piece
from canarylab.report.marks import Marks
from canarylab.report.output import forgiving

_BESIDE_LEAST = 24
"""Cells that a text has to have beside its lead: with less it would be cut into words, or letters, one a line."""
_BELOW = 4
"""Cells by which a text is indented below its lead."""

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
    """Print each line; what is wrapped hangs below its text, a verbatim line is never wrapped.

    Where the window leaves too little beside the lead, the text goes below it, so that it stays readable.
    """
    for each in lines:
        lead, body = _text(each.lead), _text(each.body)
        if each.verbatim or not body.plain:
            console.print(_text((*each.lead, *each.body)), soft_wrap=True)
        elif not lead.plain:
            console.print(body)
        elif not lead.plain.strip() or _fits_beside(lead, body, console.width):
            console.print(_hanging(lead, body))
        else:
            indentation = " " * _indentation(lead)
            first, *columns = _close_up(each.lead)
            if columns:  # below the mark, if it has to be wrapped
                console.print(_hanging(_text((Piece(indentation), first)), _text(columns)))
            else:
                console.print(_hanging(Text(indentation), _text((first,))))
            console.print(_hanging(Text(indentation + " " * _BELOW), body))


def _fits_beside(lead: Text, body: Text, width: int) -> bool:
    """Whether a text is readable beside its lead: wide enough, and without a word cut that below would be whole."""
    room, below = width - lead.cell_len, width - _indentation(lead) - _BELOW
    longest = max(map(cell_len, body.plain.split()), default=0)
    return room >= min(_BESIDE_LEAST, body.cell_len) and not room < longest <= below


def _indentation(lead: Text) -> int:
    return cell_len(lead.plain) - cell_len(lead.plain.lstrip())


def _hanging(lead: Text, body: Text) -> Table | Text:
    if not lead.plain:
        return body
    grid = Table.grid(Column(no_wrap=True), Column(overflow="fold"))
    grid.add_row(lead, body)
    return grid


def _close_up(lead: Iterable[Piece]) -> list[Piece]:
    """A lead that stands alone: nothing is lined up with it, so its columns need no padding."""
    *pieces, last = (Piece(f"{piece.text.strip()} ", piece.style) for piece in lead if piece.text.strip())
    return [*pieces, Piece(last.text.rstrip(), last.style)]


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
