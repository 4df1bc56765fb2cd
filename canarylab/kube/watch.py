"""What can be watched in the cluster. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Watch:
    """Objects of the cluster whose changes may change a stage's health, so that waiting needs no polling."""

    api_version: str
    kind: str
    namespace: str | None = None
