"""Prints a report that isn't made of events: status, receipt, findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TextIO

from canarylab.report import is_terminal
from canarylab.report.json_lines import to_json
from canarylab.report.lines import Line, all_text
from canarylab.report.marks import Marks, marks_of
from canarylab.report.output import Output


def show(data: dict[str, Any], lines: Callable[[Marks], Sequence[Line]], output: str, stream: TextIO) -> None:
    """For `--output json` the data as one JSON object on a line; else the lines, in colour on a terminal."""
    if output == "json":
        Output(stream).write(to_json(data))
    elif is_terminal(stream):
        from canarylab.report.rich_lines import console_for, print_lines

        print_lines(console_for(stream), lines(marks_of(stream)))
    else:
        Output(stream).write(all_text(lines(marks_of(stream))))
