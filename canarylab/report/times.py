"""Times as a person reads them. Pure."""

from __future__ import annotations

from datetime import datetime

from canarylab.report.text import clock

_AGES = ((86_400, "d"), (3600, "h"), (60, "min"))


def time_of_day(epoch: float) -> str:
    """Hours, minutes and seconds where the reader is."""
    return datetime.fromtimestamp(epoch).strftime("%H:%M:%S")


def age(seconds: float) -> str:
    """How long something has been there, no finer than it matters: `41 s`, `11 min`, `3 h`, `2 d`."""
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return f"{max(0, int(seconds))} s"


def left(seconds: float) -> str:
    """How long something will still take: `7 s left`, `4:05 left`."""
    return "any moment" if round(seconds) <= 0 else f"{clock(round(seconds))} left"


def due(seconds: float) -> str:
    """When something will happen: `in 7 s`, `in 4:05`."""
    return "any moment" if round(seconds) <= 0 else f"in {clock(round(seconds))}"
