"""What `doctor` found: can this machine do it?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from canarylab.report import page
from canarylab.report.formatting import count
from canarylab.report.lines import Line, Piece, is_command, line
from canarylab.report.marks import Marks

if TYPE_CHECKING:
    from canarylab.contract.provider import Finding


def show(findings: Sequence[Finding], output: str, stream: TextIO) -> None:
    """Print the findings, for `--output json` as one JSON object."""
    page.show(as_json(findings), lambda marks: lines(findings, marks), output, stream)


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """`ok`: `up` would start. The findings come in the order they are shown in."""
    return {
        "ok": not any(_severity(finding) == 0 for finding in findings),
        "findings": [dataclasses.asdict(finding) for finding in _worst_first(findings)],
    }


def lines(findings: Sequence[Finding], marks: Marks) -> list[Line]:
    """What stands in the way, then what is worth a look, then what is well; the verdict at the end."""
    width = max((len(finding.subject) for finding in findings), default=0)
    shown = [each for finding in _worst_first(findings) for each in _finding(finding, width, marks)]
    return [*shown, *_fixable(findings), _verdict(findings)]


def _severity(finding: Finding) -> int:
    """0 stands in the way, 1 is worth a look, 2 is well."""
    return 2 if finding.ok else int(not finding.fatal)


def _worst_first(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=_severity)


def _finding(finding: Finding, width: int, marks: Marks) -> Iterator[Line]:
    mark, style = marks.of(("failed", "warning", "passed")[_severity(finding)])
    yield Line((Piece(finding.seen),), (Piece(f"{mark} ", style), Piece(f"{finding.subject:{width}}  ")))
    if finding.remedy and not finding.ok:
        for number, each in enumerate(finding.remedy.strip().splitlines()):
            lead = Piece("          " if number else "    next: ", "dim")
            yield Line((Piece(each, "cyan"),), (lead,), verbatim=is_command(each))


def _fixable(findings: Sequence[Finding]) -> Iterator[Line]:
    """How much of it `--fix` would do."""
    commands = {finding.fix: finding.needs_root for finding in findings if finding.fix and not finding.ok}
    if commands:
        rooted = sum(commands.values())
        asks = f", {rooted} of them with sudo, which is asked for once" if rooted else ""
        yield line(f"invoke doctor --fix runs {count(len(commands), 'command')} for this{asks}", "cyan")


def _verdict(findings: Sequence[Finding]) -> Line:
    fatal, minor = (sum(_severity(finding) == severity for finding in findings) for severity in (0, 1))
    if fatal:
        return line(f"this machine can't do it yet: {count(fatal, 'finding')} to fix, listed first", "bold red")
    also = f"; {count(minor, 'finding')} worth a look" if minor else ""
    return line(f"this machine can do it{also}", "bold green")
