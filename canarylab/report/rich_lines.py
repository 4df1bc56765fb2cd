"""Lines on a terminal. The modules that need rich are imported for terminals only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from canarylab.report.lines import Line, Piece
from canarylab.report.output import forgiving
from canarylab.report.text import clean


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
            console.print(_hanging(each))


def _hanging(each: Line) -> Table:
    grid = Table.grid(Column(no_wrap=True), Column(overflow="fold"))
    grid.add_row(_text(each.lead), _text(each.body))
    return grid


def _text(pieces: Iterable[Piece]) -> Text:
    return Text.assemble(*((clean(piece.text), piece.style) for piece in pieces))
