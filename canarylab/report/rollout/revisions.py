"""The table of revisions with their pods, images and traffic, made to fit the window. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from canarylab.report.marks import Marks
from canarylab.report.rich_lines import cut
from canarylab.report.rollout.columns import Layout
from canarylab.report.rollout.shorten import at_the_front, images, in_the_middle
from canarylab.report.rollout.styles import ROLE_STYLES
from canarylab.report.text import age, clean, count, due
from canarylab.rollouts.pods import PodView
from canarylab.rollouts.revisions import RevisionView
from canarylab.watch.state import WatchState
from canarylab.watch.traffic import GatewayTraffic

_GAP = "  "
_INDENT = " " * 4
_TROUBLE_LINES = 2


def rows(state: WatchState, now: float, marks: Marks, width: int, room: int) -> list[Text]:
    """Revisions from the newest to the oldest, each with its pods, in `room` lines if that is possible at all."""
    shown = [one for one in state.view.revisions if one.is_shown]
    table = _Table(state.traffic, shown, Layout.fit(state, shown, width), now, marks, width)
    remarks = {one.hash: table.remarks(one) for one in shown}
    pods = {pod.name: table.pod(pod) for one in shown for pod in one.pods}
    old = table.scaled_down([one.number for one in state.view.revisions if not one.is_shown])
    visible = _visible(shown, pods, room - 1 - len(shown) - sum(map(len, remarks.values())) - len(old))
    lines = [table.header()]
    for one in shown:
        lines += [table.revision(one), *remarks[one.hash]]
        lines += [line for pod in one.pods if pod.name in visible for line in pods[pod.name]]
        lines += _others(one, visible)
    return lines + old


def _visible(shown: Sequence[RevisionView], pods: Mapping[str, Sequence[Text]], room: int) -> set[str]:
    """The pods that get their lines: all, or those in trouble first, then those of the newest revisions."""
    if sum(map(len, pods.values())) <= room:
        return set(pods)
    visible, used = set(), len(shown)  # each revision may need a line that counts its other pods
    every = [pod for one in shown for pod in one.pods]
    for pod in sorted(every, key=lambda pod: (not pod.own_words, pod.is_ready)):
        used += len(pods[pod.name])
        if used <= room:
            visible.add(pod.name)
    return visible


def _others(one: RevisionView, visible: set[str]) -> list[Text]:
    hidden = [pod for pod in one.pods if pod.name not in visible]
    if not hidden:
        return []
    number = count(len(hidden), "pod" if len(hidden) == len(one.pods) else "more pod")
    ready = sum(pod.is_ready for pod in hidden)
    return [Text(f"{_INDENT}{number}, {'all' if ready == len(hidden) else ready} ready", "dim")]


@dataclass(frozen=True)
class _Table:
    traffic: GatewayTraffic
    shown: Sequence[RevisionView]
    layout: Layout
    now: float
    marks: Marks
    width: int

    def header(self) -> Text:
        return self.layout.header() if self.shown else Text("no revision yet", "dim")

    def revision(self, one: RevisionView) -> Text:
        flow = self.traffic.flows.get(one.hash)
        style = ROLE_STYLES[one.role] if one.role or (flow and flow.requests) else "dim"
        image = at_the_front(images(one, self.shown), self.layout.image, self.marks.ellipsis)
        name = Text.assemble(
            (f"{self.marks.revision} ", style),
            (str(one.number).rjust(self.layout.number) + _GAP, "bold"),
            (one.role.ljust(self.layout.role) + _GAP, style),
            (image.ljust(self.layout.image), "bold"),
        )
        line = self.layout.row(name, self._figures(one), ["failed"] if flow and flow.errors else [])
        if flow and self.layout.history:
            size = self.layout.history
            most = max(max(each.history[-size:], default=0) for each in self.traffic.flows.values())
            line.append(_GAP + self.marks.columns(flow.history[-size:], most), style)
        return line

    def _figures(self, one: RevisionView) -> dict[str, str]:
        cells = {"pods": f"{one.ready}/{one.wanted}" if one.wanted else str(one.ready)}
        if one.created is not None:
            cells["age"] = age(self.now - one.created)
        flow = self.traffic.flows.get(one.hash)
        if flow:
            cells["requests"] = _rate(flow.rate)
        if flow and self.traffic.requests:
            cells |= {"share": f"{flow.share:.1f} %", "failed": f"{flow.errors:,}"}
        return cells

    def remarks(self, one: RevisionView) -> list[Text]:
        lines = self._trouble(one.trouble)
        if one.scales_down_at is not None and one.wanted:
            lines.append(Text(f"{_INDENT}scales down {due(one.scales_down_at - self.now)}", "dim"))
        return lines

    def pod(self, pod: PodView) -> list[Text]:
        mark, style = self._pod_mark(pod)
        name = in_the_middle(pod.name, self.layout.pod, self.marks.ellipsis).ljust(self.layout.pod)
        cells = {"pods": pod.ready}
        if pod.created is not None:
            cells["age"] = age(self.now - pod.created)
        if pod.ip in self.traffic.pods:
            cells["requests"] = _rate(self.traffic.pods[pod.ip])
        line = Text.assemble(("  " + mark + " ", style), (self.layout.row(Text(name), cells).plain, "dim"))
        said = [] if pod.state == "Running" else [pod.state]
        said += [count(pod.restarts, "restart")] if pod.restarts else []
        beside = _GAP + ", ".join(said)
        if said and cell_len(line.plain + beside) <= self.width:
            line.append(beside, style)
        return [line, *self._trouble(pod.own_words)]

    def _pod_mark(self, pod: PodView) -> tuple[str, str]:
        marks = self.marks
        if pod.own_words:
            return marks.failed, "red"
        if pod.state == "Terminating":
            return marks.skipped, "dim"
        return (marks.done, "green") if pod.is_ready else (marks.frame(self.now), "cyan")

    def _trouble(self, words: str) -> list[Text]:
        """Its beginning says what is wrong and its end why, so what goes on for too long is cut in between."""
        room = max(1, self.width - len(_INDENT))
        text = in_the_middle(" ".join(clean(words).split()), _TROUBLE_LINES * room, self.marks.ellipsis)
        return [Text(_INDENT + line, "red") for line in textwrap.wrap(text, room)[:_TROUBLE_LINES]]

    def scaled_down(self, numbers: Sequence[int]) -> list[Text]:
        """Revisions that are only there for a rollback, in one line."""
        if not numbers:
            return []
        words = f"  revision{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}: scaled down"
        return [Text(cut(words, self.width, self.marks), "dim")]


def _rate(value: float) -> str:
    return f"{value:,.1f}/s" if value < 1000 else f"{value:,.0f}/s"  # noqa: PLR2004 - no tenths of thousands
