"""The signs of the live view beside those that all reports share, in the characters a stream can hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from canarylab.report.marks import ASCII as ASCII_MARKS
from canarylab.report.marks import UNICODE as UNICODE_MARKS
from canarylab.report.marks import Marks, marks_of


@dataclass(frozen=True)
class Glyphs:
    """`levels` rise from nothing to the most."""

    marks: Marks
    paused: str
    here: str
    revision: str
    levels: str

    def columns(self, values: Iterable[int], most: int) -> str:
        """Each value as a column, the highest for `most`; the lowest is for 0 alone."""
        top = len(self.levels) - 1
        return "".join(self.levels[1 + (top - 1) * value // most if value else 0] for value in values)


UNICODE = Glyphs(UNICODE_MARKS, "‖", "▸", "●", "▁▂▃▄▅▆▇█")
ASCII = Glyphs(ASCII_MARKS, "=", ">", "*", "_.:-=+*#")


def glyphs_of(stream: TextIO) -> Glyphs:
    """Unicode signs where the stream's encoding has all of them, else ASCII."""
    own = "".join(str(value) for name, value in vars(UNICODE).items() if name != "marks")
    try:
        own.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE if marks_of(stream) is UNICODE_MARKS else ASCII
