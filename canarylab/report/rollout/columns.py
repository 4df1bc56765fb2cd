"""The columns of the table of revisions: which of them there is room for, and how wide. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import set_cell_size
from rich.text import Text

from canarylab.report.rollout.shorten import images
from canarylab.rollouts.revisions import RevisionView
from canarylab.watch.state import WatchState

_GAP = "  "
_MARK = 2
"""Cells of a revision's sign; a pod's is indented by as much again."""
_NAME_MIN = 30
"""Columns that names have to have before other columns are shown."""
_HISTORY_MIN, _HISTORY_MAX = 8, 60
_HISTORY_TITLE = "each second"


@dataclass(frozen=True)
class _Column:
    """`width` in cells. Where there isn't room for all, the one with the lowest `keep` goes first."""

    title: str
    width: int
    keep: int
    counted: bool = True
    """Whether it needs traffic."""


_COLUMNS = (
    _Column("pods", 5, 9, counted=False),
    _Column("age", 6, 5, counted=False),
    _Column("requests", 9, 7),
    _Column("share", 7, 8),
    _Column("failed", 6, 6),
)


@dataclass(frozen=True)
class Layout:
    """Widths in cells. `name` is that of a pod's line, or of number, role and image together; `history` may be 0."""

    number: int
    role: int
    name: int
    history: int
    columns: Sequence[_Column]

    @classmethod
    def fit(cls, state: WatchState, revisions: Sequence[RevisionView], width: int) -> Layout:
        """Names get what they want, if there is so much, and the history what is left."""
        flowed = any(any(flow.history) for flow in state.traffic.flows.values())
        columns = [one for one in _COLUMNS if flowed or not one.counted]
        while columns and width - _taken(columns) < _NAME_MIN:
            columns.remove(min(columns, key=lambda one: one.keep))
        number = max((len(str(one.number)) for one in revisions), default=1)
        role = max((len(one.role) for one in revisions), default=0)
        lead = _MARK + number + len(_GAP) + role + len(_GAP)
        wanted = [lead + len(images(one, revisions)) for one in revisions]
        wanted += [2 * _MARK + len(pod.name) for one in revisions for pod in one.pods]
        name = min(max(wanted, default=_NAME_MIN), width - _taken(columns))
        spare = width - _taken(columns) - name - len(_GAP)
        return cls(number, role, name, min(spare, _HISTORY_MAX) if flowed and spare >= _HISTORY_MIN else 0, columns)

    @property
    def image(self) -> int:
        """Cells for a revision's images."""
        return max(0, self.name - _MARK - self.number - self.role - 2 * len(_GAP))

    @property
    def pod(self) -> int:
        """Cells for a pod's name."""
        return max(0, self.name - 2 * _MARK)

    def header(self) -> Text:
        """The titles of the columns."""
        line = Text(set_cell_size("  revision", self.name), "dim")
        line = self.row(line, {one.title: one.title for one in self.columns})
        return line.append(_GAP + _HISTORY_TITLE if self.history >= len(_HISTORY_TITLE) else "")

    def row(self, name: Text, cells: Mapping[str, str], alarming: Collection[str] = ()) -> Text:
        """A line that begins with a name as wide as `name` is; what is alarming stands out."""
        for column in self.columns:
            cell = cells.get(column.title, "").rjust(column.width)
            name.append(_GAP).append(cell, "bold red" if column.title in alarming else "")
        return name


def _taken(columns: Sequence[_Column]) -> int:
    return sum(one.width + len(_GAP) for one in columns)
