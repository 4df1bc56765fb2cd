"""What `status` shows: every stage, the gateway's address, the Rollout's tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO, TypedDict

from canarylab.report import page
from canarylab.report.formatting import clean
from canarylab.report.lines import EMPTY, Line, Piece, block, line, marked
from canarylab.report.marks import Marks

_COLUMNS = re.compile(r"([\s│├└─]*\S.*?)(\s{2,})(\S.*)")
"""A row of the plugin's tree: its branches and the name, the padding, the other columns."""


class StageStatus(TypedDict):
    """`state` is present, absent or unknown; `reason` says why it is unhealthy, drifted or unknown."""

    name: str
    kind: str
    state: str
    healthy: bool
    drifted: bool
    reason: str
    facts: Mapping[str, Any]


class RolloutCause(TypedDict):
    """Why a Rollout, as namespace/name, doesn't get on, and what to do about it."""

    rollout: str
    why: str
    remedy: str


class StatusReport(TypedDict):
    """`rollout` is the tree that the Argo plugin prints; None without a Rollout, or as `rollout_problem` says."""

    profile: str
    provider: str
    kubeconfig: str
    context: str
    gateway: str | None
    stages: Sequence[StageStatus]
    rollout: str | None
    rollout_problem: str | None
    causes: Sequence[RolloutCause]


def show(report: StatusReport, output: str, stream: TextIO) -> None:
    """Print the report, for `--output json` as one JSON object."""
    page.show(dict(report), lambda marks: lines(report, marks), output, stream)


def lines(report: StatusReport, marks: Marks) -> list[Line]:
    """The cluster's address, a line for each stage, then the Rollout's tree."""
    stages = report["stages"]
    name = max((len(stage["name"]) for stage in stages), default=0)
    kind = max((len(stage["kind"]) for stage in stages), default=0)
    return [
        *_header(report),
        EMPTY,
        *(_stage(stage, name, kind, marks) for stage in stages),
        *_rollout(report, marks),
    ]


def _header(report: StatusReport) -> list[Line]:
    entries = {
        "profile": f"{report['profile']} ({report['provider']})",
        "context": report["context"],
        "kubeconfig": report["kubeconfig"],
        "gateway": report["gateway"] or "no address",
    }
    return [Line((Piece(value),), (Piece(f"{key:10}  ", "dim"),), verbatim=True) for key, value in entries.items()]


def _stage(stage: StageStatus, name: int, kind: int, marks: Marks) -> Line:
    words, (mark, style) = _condition(stage, marks)
    lead = (Piece(f"{mark} ", style), Piece(f"{stage['name']:{name}}  "), Piece(f"{stage['kind']:{kind}}  ", "dim"))
    reason = f": {stage['reason']}" if stage["reason"] else ""
    facts = ", ".join(f"{key} {value}" for key, value in stage["facts"].items())
    return Line((Piece(words, style), Piece(reason), Piece(f"  {facts}" if facts else "", "dim")), lead)


def _condition(stage: StageStatus, marks: Marks) -> tuple[str, tuple[str, str]]:
    """In words, and its sign with the style."""
    if stage["state"] != "present":
        return stage["state"], marks.of(stage["state"])
    health, drift = "healthy" if stage["healthy"] else "not healthy", ", drifted" if stage["drifted"] else ""
    return health + drift, marks.of("failed" if not stage["healthy"] else "warning" if drift else "healthy")


def _rollout(report: StatusReport, marks: Marks) -> Iterator[Line]:
    """The tree, and what is missing to show it."""
    if report["rollout"]:
        yield EMPTY
        yield from (_row(each) for each in clean(report["rollout"]).rstrip().split("\n"))
    if report["rollout_problem"]:
        first, _, rest = report["rollout_problem"].partition("\n")
        yield from (EMPTY, marked(marks.of("warning"), first), *block(rest, indent=2))
    for cause in report["causes"]:
        yield from (EMPTY, marked(marks.of("warning"), clean(f"Rollout {cause['rollout']}: {cause['why']}")))
        yield line(clean(f"next: {cause['remedy']}"), indent=2)


def _row(row: str) -> Line:
    """A row of the tree: where the window is too narrow for it, the other columns stand below its name."""
    found = _COLUMNS.match(row)
    return Line((Piece(found[3]),), (Piece(found[1] + found[2]),)) if found else line(row, verbatim=True)
