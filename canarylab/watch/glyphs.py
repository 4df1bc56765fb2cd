"""The signs of the live view beside those that all reports share, in the characters a stream can hold."""

from __future__ import annotations

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

    def history(self, values: tuple[int, ...], most: int, width: int) -> str:
        """The last `width` values as a line of columns, the highest of them for `most`."""
        top = len(self.levels) - 1
        shown = values[-width:] if width > 0 else ()
        return "".join(self.levels[0 if not value else 1 + (top - 1) * value // max(most, 1)] for value in shown)


UNICODE = Glyphs(UNICODE_MARKS, "‖", "▸", "●", "▁▂▃▄▅▆▇█")
ASCII = Glyphs(ASCII_MARKS, "=", ">", "*", "_.:-=+*#")


def glyphs_of(stream: TextIO) -> Glyphs:
    own = "".join(str(value) for name, value in vars(UNICODE).items() if name != "marks")
    try:
        own.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE if marks_of(stream) is UNICODE_MARKS else ASCII
