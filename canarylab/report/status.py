"""What `status` shows: every stage, the gateway's address, the Rollout's tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO, TypedDict

from canarylab.report import page
from canarylab.report.lines import EMPTY, Line, Piece, block, line, marked
from canarylab.report.marks import Marks
from canarylab.report.text import clean


class StageStatus(TypedDict):
    """`state` is present, absent or unknown; `reason` says why it is unhealthy, drifted or unknown."""

    name: str
    kind: str
    state: str
    healthy: bool
    drifted: bool
    reason: str
    facts: Mapping[str, Any]


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


def show(report: StatusReport, output: str, stream: TextIO) -> None:
    """Print the report, for `--output json` as one JSON object."""
    page.show(as_json(report), lambda marks: lines(report, marks), output, stream)


def as_json(report: StatusReport) -> dict[str, Any]:
    """The report as docs describe it, under its own keys."""
    return dict(report)


def lines(report: StatusReport, marks: Marks) -> list[Line]:
    """The cluster's address, a line for each stage, then the Rollout's tree."""
    stages = report["stages"]
    widths = tuple(
        max((len(text) for text in texts), default=0)
        for texts in ([stage["name"] for stage in stages], [stage["kind"] for stage in stages])
    )
    return [
        *_header(report),
        EMPTY,
        *(_stage(stage, widths, marks) for stage in stages),
        *_rollout(report["rollout"]),
        *_rollout_problem(report["rollout_problem"], marks),
    ]


def _header(report: StatusReport) -> list[Line]:
    entries = {
        "profile": f"{report['profile']} ({report['provider']})",
        "context": report["context"],
        "kubeconfig": report["kubeconfig"],
        "gateway": report["gateway"] or "no address",
    }
    return [Line((Piece(value),), (Piece(f"{key:10}  ", "dim"),), verbatim=True) for key, value in entries.items()]


def _stage(stage: StageStatus, widths: Sequence[int], marks: Marks) -> Line:
    mark, words, style = _condition(stage, marks)
    name, kind = widths
    lead = (Piece(f"{mark} ", style), Piece(f"{stage['name']:{name}}  "), Piece(f"{stage['kind']:{kind}}  ", "dim"))
    reason = f": {stage['reason']}" if stage["reason"] else ""
    facts = ", ".join(f"{key} {value}" for key, value in stage["facts"].items())
    return Line((Piece(words, style), Piece(reason), Piece(f"  {facts}" if facts else "", "dim")), lead)


def _condition(stage: StageStatus, marks: Marks) -> tuple[str, str, str]:
    """Mark, words and style."""
    if stage["state"] == "absent":
        return marks.waiting, "absent", "dim"
    if stage["state"] == "unknown":
        return marks.unknown, "unknown", "yellow"
    if not stage["healthy"]:
        return marks.failed, "not healthy, drifted" if stage["drifted"] else "not healthy", "bold red"
    if stage["drifted"]:
        return marks.warning, "healthy, drifted", "yellow"
    return marks.done, "healthy", "green"


def _rollout(tree: str | None) -> list[Line]:
    if not tree:
        return []
    return [EMPTY, *(line(each, verbatim=True) for each in clean(tree).rstrip().split("\n"))]


def _rollout_problem(problem: str | None, marks: Marks) -> list[Line]:
    """What is missing to show the tree, in its place."""
    if not problem:
        return []
    first, _, rest = problem.partition("\n")
    return [EMPTY, marked(marks.warning, first, "yellow"), *block(rest, indent=2)]
