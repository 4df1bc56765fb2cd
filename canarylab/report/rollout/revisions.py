"""The table of revisions with their pods, images and traffic, made to fit the window. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence

from rich.cells import set_cell_size
from rich.text import Text

from canarylab.report.formatting import age, clean, count, due
from canarylab.report.marks import ROLE_STYLES, Marks
from canarylab.report.rich_lines import cut
from canarylab.rollouts.pods import PodView
from canarylab.rollouts.revisions import RevisionView
from canarylab.watch.state import WatchState

_GAP = "  "
_INDENT = " " * 4
_MARK = 2
"""Cells of a revision's sign; a pod's is indented by as much again."""
_WIDTHS = {"pods": 5, "age": 6, "requests": 9, "share": 7, "failed": 6}
"""The columns in their order, with their cells."""
_COUNTED = ("requests", "share", "failed")
"""The columns that need traffic."""
_DISPENSABLE = ("age", "failed", "requests", "share", "pods")
"""Which columns go first where there isn't room for all."""
_NAME_MIN = 30
"""Columns that names have to have before other columns are shown."""
_HISTORY_MIN, _HISTORY_MAX = 8, 60
_HISTORY_TITLE = "each second"
_TROUBLE_LINES = 2
_DIGEST = 12
"""Characters of a digest that are shown, as `docker images` does."""


def rows(state: WatchState, now: float, marks: Marks, width: int, room: int) -> list[Text]:
    """Revisions from the newest to the oldest, each with its pods, in `room` lines if that is possible at all."""
    table = _Table(state, now, marks, width)
    heads = [[table.revision(one), *table.remarks(one)] for one in table.shown]
    pods = {pod.name: table.pod(pod) for one in table.shown for pod in one.pods}
    old = table.scaled_down([one.number for one in state.view.revisions if not one.is_shown])
    visible = _visible(table.shown, pods, room - 1 - sum(map(len, heads)) - len(old))
    lines = [table.header()]
    for one, head in zip(table.shown, heads, strict=True):
        lines += [*head, *(line for pod in one.pods if pod.name in visible for line in pods[pod.name])]
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


class _Table:
    """How wide everything is: names get what they want, if there is so much, and the history what is left.

    `name` is for a pod's line, or for number, role and image together; `history` may be 0.
    """

    def __init__(self, state: WatchState, now: float, marks: Marks, width: int) -> None:
        self.traffic, self.now, self.marks, self.width = state.traffic, now, marks, width
        self.shown = [one for one in state.view.revisions if one.is_shown]
        self.images = {one.hash: _images(one, self.shown) for one in self.shown}
        flowed = any(any(flow.history) for flow in state.traffic.flows.values())
        self.columns = [title for title in _WIDTHS if flowed or title not in _COUNTED]
        for title in _DISPENSABLE:
            if title in self.columns and self._beside_columns < _NAME_MIN:
                self.columns.remove(title)
        self.number = max((len(str(one.number)) for one in self.shown), default=1)
        self.role = max((len(one.role) for one in self.shown), default=0)
        lead = _MARK + self.number + len(_GAP) + self.role + len(_GAP)
        wanted = [lead + len(images) for images in self.images.values()]
        wanted += [2 * _MARK + len(pod.name) for one in self.shown for pod in one.pods]
        self.name = min(max(wanted, default=_NAME_MIN), self._beside_columns)
        self.image, self.pod_name = max(0, self.name - lead), max(0, self.name - 2 * _MARK)
        spare = self._beside_columns - self.name - len(_GAP)
        self.history = min(spare, _HISTORY_MAX) if flowed and spare >= _HISTORY_MIN else 0

    @property
    def _beside_columns(self) -> int:
        return self.width - sum(_WIDTHS[title] + len(_GAP) for title in self.columns)

    def header(self) -> Text:
        if not self.shown:
            return Text("no revision yet", "dim")
        line = self._row(Text(set_cell_size("  revision", self.name), "dim"), {title: title for title in self.columns})
        return line.append(_GAP + _HISTORY_TITLE if self.history >= len(_HISTORY_TITLE) else "")

    def _row(self, name: Text, cells: Mapping[str, str], alarming: Collection[str] = ()) -> Text:
        """A line that begins with a name as wide as `name` is; what is alarming stands out."""
        for title in self.columns:
            cell = cells.get(title, "").rjust(_WIDTHS[title])
            name.append(_GAP).append(cell, "bold red" if title in alarming else "")
        return name

    def _cells(self, pods: str, created: float | None, rate: float | None) -> dict[str, str]:
        cells = {"pods": pods}
        if created is not None:
            cells["age"] = age(self.now - created)
        if rate is not None:  # without tenths of thousands
            cells["requests"] = f"{rate:,.1f}/s" if rate < 1000 else f"{rate:,.0f}/s"  # noqa: PLR2004
        return cells

    def revision(self, one: RevisionView) -> Text:
        flow = self.traffic.flows.get(one.hash)
        style = ROLE_STYLES[one.role] if one.role or (flow and flow.requests) else "dim"
        image = self._shortened(self.images[one.hash], self.image, 3)  # what tells images apart stands at their end
        name = Text.assemble(
            (f"{self.marks.revision} ", style),
            (str(one.number).rjust(self.number) + _GAP, "bold"),
            (one.role.ljust(self.role) + _GAP, style),
            (image.ljust(self.image), "bold"),
        )
        pods = f"{one.ready}/{one.wanted}" if one.wanted else str(one.ready)
        cells = self._cells(pods, one.created, flow.rate if flow else None)
        if flow and self.traffic.requests:
            cells |= {"share": f"{flow.share:.1f} %", "failed": f"{flow.errors:,}"}
        line = self._row(name, cells, ["failed"] if flow and flow.errors else [])
        if flow and self.history:
            most = max(max(each.history[-self.history :], default=0) for each in self.traffic.flows.values())
            line.append(_GAP + self.marks.columns(flow.history[-self.history :], most), style)
        return line

    def remarks(self, one: RevisionView) -> list[Text]:
        lines = self._trouble(one.trouble)
        if one.scales_down_at is not None and one.wanted:
            lines.append(Text(f"{_INDENT}scales down {due(one.scales_down_at - self.now)}", "dim"))
        return lines

    def pod(self, pod: PodView) -> list[Text]:
        state = "skipped" if pod.state == "Terminating" else "passed" if pod.is_ready else "running"
        mark, style = (self.marks.failed, "red") if pod.own_words else self.marks.of(state, self.now)
        name = Text(self._shortened(pod.name, self.pod_name, 2).ljust(self.pod_name))
        row = self._row(name, self._cells(pod.ready, pod.created, self.traffic.pods.get(pod.ip)))
        line = Text.assemble((f"  {mark} ", style), (row.plain, "dim"))
        said = [] if pod.state == "Running" else [pod.state]
        said += [count(pod.restarts, "restart")] if pod.restarts else []
        beside = Text(_GAP + ", ".join(said), style)
        if said and line.cell_len + beside.cell_len <= self.width:
            line.append_text(beside)
        return [line, *self._trouble(pod.own_words)]

    def _trouble(self, words: str) -> list[Text]:
        """Its beginning says what is wrong and its end why, so what goes on for too long is cut in between."""
        room = max(1, self.width - len(_INDENT))
        text = self._shortened(" ".join(clean(words).split()), _TROUBLE_LINES * room, 2)
        return [Text(_INDENT + line, "red") for line in textwrap.wrap(text, room)[:_TROUBLE_LINES]]

    def scaled_down(self, numbers: Sequence[int]) -> list[Text]:
        """Revisions that are only there for a rollback, in one line."""
        if not numbers:
            return []
        words = f"  revision{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}: scaled down"
        return [Text(cut(words, self.width, self.marks), "dim")]

    def _shortened(self, text: str, width: int, thirds: int) -> str:
        """So many thirds of what is kept are the text's end, the others its beginning. All of it is in ASCII."""
        if len(text) <= width:
            return text
        room = max(0, width - len(self.marks.ellipsis))
        end = room * thirds // 3
        return (text[: room - end] + self.marks.ellipsis + text[len(text) - end :])[: max(0, width)]


def _images(one: RevisionView, among: Sequence[RevisionView]) -> str:
    """Those in which it differs from the other revisions, as a sidecar's doesn't; without registry and path."""
    common = set.intersection(*(set(each.images.values()) for each in among))
    images = [*dict.fromkeys(one.images.values())]
    own = [image for image in images if image not in common] or images
    return ", ".join(_bare(image) for image in own)


def _bare(image: str) -> str:
    name, _, digest = image.rpartition("/")[2].partition("@")
    return f"{name}@{digest.partition(':')[2][:_DIGEST]}" if digest else name
