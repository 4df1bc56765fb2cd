"""Faults that a VirtualService's route makes on purpose (`fault.abort`, `fault.delay`). Pure.

Source: istio/istio, pilot/pkg/networking/core/route/route.go, TranslateFault.
"""

from __future__ import annotations

import re

from canarylab.kube.objects import Object, dig

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+\.?\d*)(h|ms|m|us|ns|s)")


def percent_of(fault: Object | None) -> float:
    """How many requests a fault is for; `percent` is the older name of a delay's. Pure."""
    percentage = dig(fault, "percentage")
    older = dig(fault, "percent") if dig(fault, "fixedDelay") else None
    given = older if percentage is None else dig(percentage, "value")
    return float(given) if isinstance(given, int | float) else 0.0


def seconds_of(duration: object) -> float:
    """Of a duration such as 1m30s, as Go writes it; 0 for none. Pure."""
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(str(duration or "")))
