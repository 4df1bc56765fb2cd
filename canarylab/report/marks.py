"""The signs that stand for states, in the characters a stream can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True)
class Marks:
    """One sign for each state, the frames of a spinner, and the parts of a bar."""

    done: str
    failed: str
    waiting: str
    skipped: str
    warning: str
    unknown: str
    spinner: str
    bar_done: str
    bar_left: str
    ellipsis: str

    def frame(self, now: float) -> str:
        """The spinner at a point of time in seconds."""
        return self.spinner[int(now * 8) % len(self.spinner)]


UNICODE = Marks("✔", "✖", "○", "–", "!", "?", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "━", "─", "…")  # noqa: RUF001 - a dash on purpose
ASCII = Marks("+", "x", ".", "-", "!", "?", "|/-\\", "=", "-", "...")


def marks_of(stream: TextIO) -> Marks:
    """Unicode signs where the stream's encoding has all of them, else ASCII."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    every = "".join(vars(UNICODE).values())
    try:
        every.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE
