"""The live view of a Rollout as a whole, made to fit the window. Pure."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from rich.console import ConsoleDimensions
from rich.text import Text

from canarylab.report.formatting import clean, left, time_of_day
from canarylab.report.marks import PHASE_STYLES, Marks
from canarylab.report.rich_lines import cut, fit
from canarylab.report.rollout import revisions
from canarylab.report.rollout.bars import bars, no_traffic
from canarylab.report.rollout.rail import at_hand, rail
from canarylab.rollouts.view import Replicas
from canarylab.watch.state import WatchState

_LABEL = 10
_MOST_LINES = 3
"""Lines that a message may take."""


def frame(state: WatchState, now: float, marks: Marks, window: ConsoleDimensions, command: str) -> list[Text]:
    """What is to be seen at `now` (seconds since 1970), never more than the window holds.

    `command` is a command line with `{}` in place of the plugin's command that the user may want next.
    """
    page = _Page(state, now, marks, window.width)
    above = [page.title(), *page.phase(), *page.silence(), Text(), *page.body(), Text()]
    below = page.next(command)
    table = revisions.rows(state, now, marks, window.width, window.height - len(above) - len(below))
    return [fit(line, window.width) for line in [*above, *table, *below][: max(1, window.height)]]


@dataclass(frozen=True)
class _Page:
    state: WatchState
    now: float
    marks: Marks
    width: int

    def title(self) -> Text:
        """A rule, as what has changed stands above it."""
        view, rule = self.state.view.rollout, self.marks.bar_left
        title = Text.assemble((f"{rule}{rule} ", "dim"), (view.name, "bold"), f"  {view.strategy} in {view.namespace} ")
        clock = f" {time_of_day(self.now)} {rule}{rule}"
        title.truncate(max(1, self.width - len(clock) - 1), overflow="crop")
        return title.append(rule * (self.width - title.cell_len - len(clock)) + clock, "dim")

    def phase(self) -> list[Text]:
        view, marks = self.state.view, self.marks
        known = {"Healthy": marks.done, "Paused": self.marks.paused, "Degraded": marks.failed}
        head = f"{known.get(view.rollout.phase) or marks.frame(self.now)} {view.rollout.phase}"
        words = [clean(view.rollout.message), left(view.ends_at - self.now) if view.ends_at is not None else ""]
        lines = self._wrapped(", ".join(filter(None, words)), self.width - len(head) - 2) or [""]
        style = "red" if view.rollout.phase == "Degraded" else ""
        first = Text.assemble((head, PHASE_STYLES.get(view.rollout.phase, "bold")), "  ", (lines[0], style))
        return [first, *(Text(" " * (len(head) + 2) + line, style) for line in lines[1:])]

    def silence(self) -> list[Text]:
        silence = self.state.silence
        if silence is None:
            return []
        said = f"no answer since {time_of_day(silence.since)}, this is how it was then: {silence.why}"
        return [Text(line, "bold yellow") for line in self._wrapped(clean(f"{self.marks.warning} {said}"), self.width)]

    def body(self) -> list[Text]:
        view = self.state.view
        lines = self._steps()
        selected = (f"{name} selects " + (f"revision {one}" if one else "none") for name, one in view.services)
        lines += self._said("services", ", ".join(selected))
        drawn = bars(self.state, self.marks, self.width - _LABEL)
        for label, bar in drawn.items():
            lines += [self._labelled("" if below else label, line) for below, line in enumerate(bar)]
        if "traffic" not in drawn:
            lines += self._said("traffic", no_traffic(self.state.traffic), "dim")
        lines += self._said("replicas", _counts(view.rollout.replicas))
        for one in view.analyses:
            lines += self._said("analysis", f"{one.purpose}, {one.run.phase}: {one.run.tally}")
        if cause := self.state.cause:
            lines += [*self._said("why", cause.why, "yellow"), *self._said("remedy", cause.remedy)]
        return lines

    def _steps(self) -> list[Text]:
        view = self.state.view
        if view.steps is None:
            return []
        done = f"{view.steps.index}/{len(view.steps.words)} done"
        line = Text(f"aborted, {done}", "red") if view.rollout.aborted else Text(done)
        if not view.steps.current or view.rollout.aborted:
            return [self._labelled("steps", line)]
        waits, room = self._waits(), self.width - _LABEL
        beside = room - len(line) - len("  ")
        if at_hand(view.steps, waits, self.marks).cell_len <= beside:
            return [self._labelled("steps", line.append("  ").append_text(rail(view.steps, waits, self.marks, beside)))]
        return [self._labelled("steps", line), self._labelled("", rail(view.steps, waits, self.marks, room))]

    def _waits(self) -> str:
        """How long the step at hand takes, where it is a pause."""
        view = self.state.view
        if view.rollout.phase != "Paused" or view.steps is None or not view.steps.current.startswith("pause"):
            return ""
        return "until it is promoted" if view.ends_at is None else left(view.ends_at - self.now)

    def next(self, command: str) -> list[Text]:
        advice = self.state.view.advice
        if not advice:
            return []
        room = max(_LABEL, self.width - _LABEL - 2)
        lines = textwrap.wrap(command.format(advice), room, break_long_words=False, break_on_hyphens=False)
        lines = [*(f"{line} \\" for line in lines[:-1]), lines[-1]]  # so that it can be pasted as it stands
        return [Text(), *(self._labelled("" if n else "next", Text(line, "cyan")) for n, line in enumerate(lines))]

    def _said(self, label: str, words: str, style: str = "") -> list[Text]:
        """Words behind a label, going on below where they are long; nothing where there are none."""
        lines = self._wrapped(clean(words), self.width - _LABEL)
        return [self._labelled("" if position else label, Text(line, style)) for position, line in enumerate(lines)]

    def _labelled(self, label: str, text: Text) -> Text:
        return Text.assemble((f"{label:{_LABEL}}", "dim"), text)

    def _wrapped(self, text: str, width: int) -> list[str]:
        width = max(_LABEL, width)
        lines = textwrap.wrap(text, width)
        if len(lines) <= _MOST_LINES:
            return lines
        rest = " ".join(lines[_MOST_LINES - 1 :])
        return [*lines[: _MOST_LINES - 1], cut(rest, width, self.marks)]


def _counts(replicas: Replicas) -> str:
    there = f"{replicas.desired} wanted, {replicas.current} there, {replicas.updated} updated"
    return f"{there}, {replicas.ready} ready, {replicas.available} available"
