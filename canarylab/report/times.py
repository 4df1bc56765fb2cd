"""Times as the API writes them, and as a person reads them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from canarylab.report.text import clock

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_AGES = ((86_400, "d"), (3600, "h"), (60, "min"))


def epoch(timestamp: str | None) -> float | None:
    """An RFC 3339 timestamp of the API in seconds since 1970; None where there is none."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else None


def timestamp(epoch: float) -> str:
    """The same the other way round, with milliseconds, in UTC."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of_day(epoch: float) -> str:
    """Hours, minutes and seconds where the reader is."""
    return datetime.fromtimestamp(epoch).strftime("%H:%M:%S")


def duration(value: int | str) -> float | None:
    """A pause's duration in seconds: a number, `30` or a Go duration such as `1h30m`; None if it is none of them.

    As Argo reads it: RolloutPause.DurationSeconds in argo-rollouts/pkg/apis/rollouts/v1alpha1/types.go.
    """
    text = str(value).strip()
    if text.isdecimal():
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


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
