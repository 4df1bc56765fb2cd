"""What a person or a program sees of a run: readers of its events, and the reports of status, teardown and doctor."""

from __future__ import annotations

import os
from typing import TextIO

from canarylab.errors import UsageError
from canarylab.report.reader import Reader

_DUMB = ("", "dumb", "unknown")


def choose(output: str, stream: TextIO) -> Reader:
    """The reader of events for `--output` on this stream: JSON lines, a live view on a terminal, else plain lines.

    Raises UsageError for an output that doesn't exist.
    """
    if output == "json":
        from canarylab.report.json_lines import JsonLines

        return JsonLines(stream)
    if output != "text":
        raise UsageError(f"there is no output {output!r}", remedy="use --output text or --output json")
    if is_terminal(stream):
        from canarylab.report.console_live import LiveConsole

        return LiveConsole(stream)
    from canarylab.report.console_plain import PlainConsole

    return PlainConsole(stream)


def is_terminal(stream: TextIO) -> bool:
    """Whether the stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in _DUMB
