"""Strings and numbers made fit to be shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TENTHS_UNTIL = 100
_MINUTE = 60
_HOUR = 3600
_AGES = ((86_400, "d"), (_HOUR, "h"), (_MINUTE, "min"))


def clean(text: str) -> str:
    """Without what would move a terminal's cursor or colour it: programs' output ends up in messages and reasons."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
    return unicode_only(_CONTROL.sub("", _ESCAPE.sub("", lines)))


def unicode_only(text: str) -> str:
    """Without lone surrogates, which no encoding can hold; they come from file names that aren't UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def first_line(text: str) -> str:
    """The first line of the text, without blanks around the text."""
    return text.strip().partition("\n")[0]


def seconds(value: float) -> str:
    """A time as one would say it: `41.2 s`, `10 min 12 s`."""
    if value < _TENTHS_UNTIL:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), _MINUTE)
    return f"{minutes} min {rest} s"


def clock(value: float) -> str:
    """A time that ticks, in seven columns at most: `41 s`, `10:12`, `1:02:03`."""
    whole = int(value)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02}"
    return f"{whole // _HOUR}:{whole // _MINUTE % _MINUTE:02}:{whole % _MINUTE:02}"


def tenths(value: float) -> str:
    """A time that has come to its end, in the same seven columns: `41.2 s`, `10:12`."""
    return f"{value:.1f} s" if value < _TENTHS_UNTIL else clock(value)


def roughly(value: float) -> str:
    """An estimated time, no finer than an estimate is: `9 min`, `40 s`, `a moment`."""
    if value >= 2 * _MINUTE:
        return f"{round(value / _MINUTE)} min"
    if value >= 10:  # noqa: PLR2004 - below it, tens of seconds say nothing
        return f"{round(value, -1):.0f} s"
    return "a moment"


def time_of_day(epoch: float) -> str:
    """Hours, minutes and seconds where the reader is."""
    return datetime.fromtimestamp(epoch).strftime("%H:%M:%S")


def age(value: float) -> str:
    """How long something has been there, no finer than it matters: `41 s`, `11 min`, `3 h`, `2 d`."""
    unit, name = next((each for each in _AGES if value >= each[0]), (1, "s"))
    return f"{max(0, int(value // unit))} {name}"


def left(value: float) -> str:
    """How long something will still take: `7 s left`, `4:05 left`."""
    return "any moment" if round(value) <= 0 else f"{clock(round(value))} left"


def due(value: float) -> str:
    """When something will happen: `in 7 s`, `in 4:05`."""
    return "any moment" if round(value) <= 0 else f"in {clock(round(value))}"


def count(number: int, noun: str) -> str:
    """`1 change`, `3 changes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def names(every: Sequence[str], width: int) -> str:
    """As many of the names as fit into `width` columns, and how many more there are; a single one is always named."""
    for shown in range(len(every), 0, -1):
        more = len(every) - shown
        text = ", ".join(every[:shown]) + (f" and {more} more" if more else "")
        if len(text) <= width:
            return text
    return every[0] if len(every) == 1 else f"{len(every)} stages"
