"""Where states are shown: a live view on a terminal, a line for each change in a pipe, or a JSON document for each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TextIO

from canarylab.kube.times import timestamp
from canarylab.report import is_terminal
from canarylab.report.json_lines import to_json
from canarylab.report.lines import as_text
from canarylab.report.output import Output
from canarylab.report.rollout.as_json import document
from canarylab.report.rollout.changes import changes, timed
from canarylab.watch.state import Clock, Screen, WatchState


def screen(output: str, stream: TextIO, command: str, gone: Callable[[], None]) -> Screen:
    """The one for `--output` on this stream. `gone` is called once nobody reads it any more, as behind `| head`.

    `command` is a command line with `{}` for a command of the Argo plugin.
    """
    if output == "json":
        return JsonScreen(Output(stream, gone))
    if is_terminal(stream):
        from canarylab.report.rollout.live import LiveScreen  # rich's, which takes its time to load

        return LiveScreen(stream, command)
    return LinesScreen(Output(stream, gone))


class LinesScreen(Screen):
    """A line for each change, with the time of day."""

    def __init__(self, output: Output, clock: Clock = time.time) -> None:
        self._output, self._clock = output, clock
        self._before: WatchState | None = None

    def show(self, state: WatchState) -> None:
        for each in changes(self._before, state):
            self._output.write(as_text(timed(each, self._clock())))
        self._before = state


class JsonScreen(Screen):
    """A document for each state that differs from the one before, on a line."""

    def __init__(self, output: Output, clock: Clock = time.time) -> None:
        self._output, self._clock = output, clock
        self._before: dict[str, Any] = {}

    def show(self, state: WatchState) -> None:
        after = document(state)
        if after != self._before:
            self._output.write(to_json({"time": timestamp(self._clock()), **after}))
        self._before = after
