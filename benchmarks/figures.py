"""From what was measured to the figures that are promised, and to the table that shows them. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from memory import Memory

MIB = 1 << 20


@dataclass(frozen=True)
class Share:
    """One measurement of the canary's share at weight 5."""

    host: str
    percent: float
    holds: bool
    """Whether its 95 % confidence interval holds 5 %."""


@dataclass(frozen=True)
class Round:
    """Everything that one round measured; durations in seconds."""

    script: float
    script_steps: dict[str, float]
    first_up: float
    stages: dict[str, float]
    """Of the first up."""
    critical_path: float
    second_up: float
    second_stages: dict[str, float]
    second_changed: tuple[str, ...]
    list_tasks: tuple[float, ...]
    list_nothing: tuple[float, ...]
    demo: float
    shares: tuple[Share, ...]
    teardown: float
    teardown_stages: dict[str, float]
    peak_bytes: dict[str, int]
    at_rest: Memory
    left_by_tool: dict[str, list[str]]
    left_by_script: dict[str, list[str]]

    @property
    def unbelieved(self) -> int:
        """Hosts whose last measurement misses: one that misses is taken again, up to three times."""
        last = {share.host: share.holds for share in self.shares}
        return sum(not holds for holds in last.values())


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    unit: str
    values: tuple[float, ...]
    """One for each round."""
    most: float | None = None
    """The target: at most this."""
    below: bool = False
    """The target itself is too much already."""
    judged_by: Literal["median", "max"] = "median"
    """Times by their median, since whatever else the machine does only adds to them; all else by the worst."""
    digits: int = 2

    @property
    def median(self) -> float:
        """Over the rounds."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the target holds; None without one."""
        if self.most is None:
            return None
        value = self.median if self.judged_by == "median" else max(self.values)
        return value < self.most if self.below else value <= self.most


def figures(rounds: Sequence[Round]) -> list[Figure]:
    """The table's lines, from what the rounds measured."""

    def each(value: Callable[[Round], float]) -> tuple[float, ...]:
        return tuple(value(one) for one in rounds)

    return [
        Figure("all of it by hand, by_hand.sh", "s", each(lambda r: r.script), digits=1),
        Figure("first `invoke up`", "s", each(lambda r: r.first_up), digits=1),
        Figure("first up / by hand", "", each(lambda r: r.first_up / r.script), 0.6),
        Figure("waste: first up / its critical path", "", each(lambda r: r.first_up / r.critical_path), 1.1),
        Figure("node Ready: machine + cluster", "s", each(_node_ready), 12, below=True, digits=1),
        Figure("  of that, cluster", "s", each(lambda r: r.stages["cluster"]), digits=1),
        Figure("second `invoke up`", "s", each(lambda r: r.second_up)),
        Figure("second up / first up", "", each(lambda r: r.second_up / r.first_up), 0.05, digits=3),
        Figure("changes of the second up", "", each(lambda r: len(r.second_changed)), 0, judged_by="max", digits=0),
        Figure("`invoke --list`", "s", each(lambda r: statistics.median(r.list_tasks)), digits=3),
        Figure("`invoke --list` / an empty tasks.py's", "", each(_listing), 1.5),
        Figure("`invoke teardown`", "s", each(lambda r: r.teardown)),
        Figure("teardown / first up", "", each(lambda r: r.teardown / r.first_up), 0.15),
        Figure("`invoke demo`", "s", each(lambda r: r.demo), digits=1),
        Figure("canary's share at weight 5", "%", tuple(s.percent for r in rounds for s in r.shares)),
        Figure("  its hosts whose interval misses 5 %", "", each(lambda r: r.unbelieved), 0, judged_by="max", digits=0),
        Figure("peak memory of the tool", "MB", each(_peak), 150, judged_by="max", digits=0),
        Figure("memory of the node at rest", "MiB", each(_at_rest), 2048, judged_by="max", digits=0),
        Figure("  as RSS, shared pages counted for each process", "MiB", each(lambda r: r.at_rest.rss / MIB), digits=0),
        Figure("left after teardown", "", each(lambda r: _count(r.left_by_tool)), 0, judged_by="max", digits=0),
    ]


def _node_ready(one: Round) -> float:
    """From the laying out of the machine on: stricter than from the start of the cluster stage."""
    return one.stages["machine"] + one.stages["cluster"]


def _listing(one: Round) -> float:
    return statistics.median(one.list_tasks) / statistics.median(one.list_nothing)


def _peak(one: Round) -> float:
    return max(one.peak_bytes.values()) / 1e6


def _at_rest(one: Round) -> float:
    return one.at_rest.pss / MIB


def _count(left: dict[str, list[str]]) -> int:
    return sum(map(len, left.values()))


def table(found: Sequence[Figure]) -> str:
    """As Markdown, which is readable as it is."""
    rows = [["figure", "min", "median", "max", "must be", "met"], *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(_aligned(row, widths))} |" for row in rows)


def _row(figure: Figure) -> list[str]:
    unit = f" {figure.unit}" if figure.unit else ""
    numbers = [f"{value:.{figure.digits}f}" for value in (min(figure.values), figure.median, max(figure.values))]
    target = "" if figure.most is None else f"{'under' if figure.below else 'at most'} {figure.most:g}{unit}"
    met = {True: "yes", False: "NO", None: ""}[figure.met]
    return [f"{figure.name},{unit}" if unit else figure.name, *numbers, target, met]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    numbers = range(1, 4)
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if column in numbers else cell.ljust(width)
