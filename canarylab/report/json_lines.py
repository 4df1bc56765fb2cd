"""Events as JSON lines; docs/events.md describes them, canarylab/events.schema.json is their schema."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TextIO

from canarylab.events import Event
from canarylab.kube.times import timestamp
from canarylab.report.formatting import unicode_only
from canarylab.report.output import Output
from canarylab.report.reader import Reader


def to_json(value: dict[str, Any]) -> str:
    """One line, in ASCII, that any parser takes; what JSON has no type for is written as text."""
    return json.dumps(_storable(value), allow_nan=False, default=str)


def _storable(value: Any) -> Any:
    match value:
        case str():
            return unicode_only(value)
        case dict():
            return {unicode_only(str(key)): _storable(each) for key, each in value.items()}
        case list() | tuple():
            return [_storable(each) for each in value]
        case _:
            return value


class JsonLines(Reader):
    """One event a line: its type, the time it was written at, its fields."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time) -> None:
        self._output = Output(stream)
        self._clock = clock

    def __call__(self, event: Event) -> None:
        fields = event.as_json()
        self._output.write(to_json({"event": fields.pop("event"), "time": timestamp(self._clock()), **fields}))
