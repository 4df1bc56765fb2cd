"""What a removal comes to: the lines of a receipt. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Removal:
    """One line of the receipt: a thing that a teardown found and what became of it."""

    subject: str
    outcome: Literal["removed", "left", "failed"]
    reason: str = ""
