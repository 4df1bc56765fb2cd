"""Draws a recorded run as it looks on a terminal, by the live console's own code, as an SVG.

The pictures in README.md are made like this:

    invoke up --output json > up.jsonl && python docs/picture.py up.jsonl docs/up.svg

docs/events.md says what is in such a recording.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from canarylab.events import Event, RunStarted, StageInfo
from canarylab.report.console_live import LiveConsole

_COLUMNS = 110
THEME = TerminalTheme(
    (22, 27, 34),
    (230, 237, 243),
    [
        *((72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34)),
        *((88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)),
    ],
)
# Rich's own template fetches a font; this one takes what the reader has, and its frame shows on white and on black.
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  line-height: {line_height}px; font-variant-east-asian: full-width; white-space: pre; }}
.{unique_id}-title {{ font: 18px system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Camera(LiveConsole):
    """The live console, with what it prints kept for a picture; its moving part goes nowhere."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds of the recording's own clock."""
        super().__init__(io.StringIO(), lambda: self.now)
        self._console = Console(
            file=io.StringIO(), record=True, width=_COLUMNS, force_terminal=True, color_system="truecolor",
            markup=False, highlight=False, emoji=False,
        )  # fmt: skip

    def svg(self, title: str) -> str:
        return self._console.export_svg(title=title, theme=THEME, code_format=SVG, unique_id="run")


def recorded(lines: Iterator[str]) -> Iterator[tuple[float, Event]]:
    """Each event with the time at which it was written, in seconds."""
    kinds = {kind.event: kind for kind in Event.__subclasses__()}
    for line in lines:
        fields: dict[str, Any] = json.loads(line)
        kind, time = kinds[fields["event"]], datetime.fromisoformat(fields["time"])
        known = {field.name: _value(fields[field.name]) for field in dataclasses.fields(kind) if field.name in fields}
        if kind is RunStarted:
            known["stages"] = tuple(StageInfo(**{**info, "needs": tuple(info["needs"])}) for info in fields["stages"])
        yield time.timestamp(), kind(**known)


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def draw(recording: Path) -> str:
    """The SVG of everything that the run left on the terminal."""
    title = recording.stem
    with recording.open() as lines, Camera() as camera:
        for time, event in recorded(lines):
            camera.now = time
            if isinstance(event, RunStarted):
                title = f"invoke {event.command}"
            camera(event)
    return camera.svg(title)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, help="what `--output json` printed")
    parser.add_argument("svg", type=Path, help="the file to write")
    options = parser.parse_args()
    options.svg.write_text(draw(options.recording))


if __name__ == "__main__":
    main()
