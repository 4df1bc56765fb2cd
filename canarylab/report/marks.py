"""The signs that stand for states, in the characters a stream can hold, and their colours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

_SIGNS = {
    **dict.fromkeys(("changed", "unchanged", "passed", "removed", "healthy"), ("done", "green")),
    "running": ("", "cyan"),
    "waiting": ("waiting", "dim"),
    "absent": ("waiting", "dim"),
    "planned": ("waiting", "yellow"),
    "left": ("waiting", "yellow"),
    "skipped": ("skipped", "dim"),
    "not reached": ("skipped", "dim"),
    "unknown": ("unknown", "yellow"),
    "warning": ("warning", "yellow"),
    "interrupted": ("failed", "bold yellow"),
    "failed": ("failed", "bold red"),
}
"""Which of the marks stands for a state, and its style in rich's words."""
PHASE_STYLES = {"Healthy": "bold green", "Paused": "bold yellow", "Progressing": "bold cyan", "Degraded": "bold red"}
"""Of a Rollout's phases."""
ROLE_STYLES = {"canary": "yellow", "preview": "yellow", "stable": "green", "active": "green", "": "magenta"}
"""Of revisions. One of no role shouldn't have traffic, so it stands out where it does."""


@dataclass(frozen=True)
class Marks:
    """The signs themselves, the frames of a spinner, and the parts of a bar. `levels` rise from nothing to the most."""

    done: str
    failed: str
    waiting: str
    skipped: str
    warning: str
    unknown: str
    paused: str
    here: str
    revision: str
    spinner: str
    bar_done: str
    bar_left: str
    levels: str
    ellipsis: str

    def of(self, state: str, now: float = 0.0) -> tuple[str, str]:
        """A state's sign and style; what runs has the spinner as it is at `now`, in seconds."""
        name, style = _SIGNS[state]
        return getattr(self, name) if name else self.frame(now), style

    def frame(self, now: float) -> str:
        """The spinner at a point of time in seconds."""
        return self.spinner[int(now * 8) % len(self.spinner)]

    def columns(self, values: Iterable[int], most: int) -> str:
        """Each value as a column, the highest for `most`; the lowest is for 0 alone."""
        top = len(self.levels) - 1
        return "".join(self.levels[1 + (top - 1) * value // most if value else 0] for value in values)


UNICODE = Marks("✔", "✖", "○", "–", "!", "?", "‖", "▸", "●", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "━", "─", "▁▂▃▄▅▆▇█", "…")  # noqa: RUF001 - a dash on purpose
ASCII = Marks("+", "x", ".", "-", "!", "?", "=", ">", "*", "|/-\\", "=", "-", "_.:-=+*#", "...")


def marks_of(stream: TextIO) -> Marks:
    """Unicode signs where the stream's encoding has all of them, else ASCII."""
    try:
        "".join(vars(UNICODE).values()).encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE
