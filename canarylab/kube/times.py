"""Times and durations as the API writes them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_TOO_LONG = 2**31
"""What the 32 bits don't hold that Go reads a bare number of seconds into."""
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def epoch(timestamp: str | None) -> float | None:
    """An RFC 3339 timestamp of the API in seconds since 1970; None where there is none."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else None


def timestamp(epoch: float) -> str:
    """The same the other way round, with milliseconds, in UTC."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(value: int | str) -> float | None:
    """A duration in seconds: a number, `30` or Go's such as `1h30m`; None if it is none of them, or negative.

    As Argo reads it: RolloutPause.DurationSeconds in argo-rollouts/pkg/apis/rollouts/v1alpha1/types.go.
    """
    text = str(value).removeprefix("+")
    if text.isdecimal():
        return float(text) if int(text) < _TOO_LONG else None
    parts = _PART.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
