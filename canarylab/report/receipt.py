"""The receipt of a teardown: what it found, removed and left."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from canarylab.report import page
from canarylab.report.lines import Line, Piece, line
from canarylab.report.marks import Marks

if TYPE_CHECKING:
    from canarylab.removal import Removal

Receipt = Sequence[tuple[str, Sequence["Removal"]]]
"""The removals under each stage's name, in the order they were made."""


def show(receipt: Receipt, output: str, stream: TextIO) -> None:
    """Print the receipt, for `--output json` as one JSON object."""
    page.show(as_json(receipt), lambda marks: lines(receipt, marks), output, stream)


def as_json(receipt: Receipt) -> dict[str, Any]:
    """The removals by stage, and how many there are of each outcome."""
    return {
        "stages": [
            {"stage": stage, "removals": [dataclasses.asdict(removal) for removal in removals]}
            for stage, removals in receipt
            if removals
        ],
        **_counts(receipt),
    }


def lines(receipt: Receipt, marks: Marks) -> list[Line]:
    """The removals below their stage's name, and the totals."""
    if not any(removals for _, removals in receipt):
        return [line("nothing there")]
    shown = []
    for stage, removals in receipt:
        if removals:
            shown += [line(stage, "bold"), *(_removal(removal, marks) for removal in removals)]
    counts = _counts(receipt)
    total = f"{counts['found']} found: {counts['removed']} removed, {counts['left']} left, {counts['failed']} failed"
    return [*shown, line(total, "bold red" if counts["failed"] else "bold green")]


def _removal(removal: Removal, marks: Marks) -> Line:
    mark, style = marks.of(removal.outcome)
    body = (Piece(removal.subject), Piece(f": {removal.reason}" if removal.reason else "", "dim"))
    return Line(body).after(f"{mark} {removal.outcome:7}  ", style).after("  ")


def _counts(receipt: Receipt) -> dict[str, int]:
    outcomes = Counter(removal.outcome for _, removals in receipt for removal in removals)
    return {"found": outcomes.total(), **{outcome: outcomes[outcome] for outcome in ("removed", "left", "failed")}}
