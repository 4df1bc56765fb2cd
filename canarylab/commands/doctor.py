"""`invoke doctor`: can this machine do it? Changes nothing, but with `--fix` what its findings name as safe."""

from __future__ import annotations

import sys

from canarylab.commands.fix import fix_findings, repairs
from canarylab.commands.run import Options, run
from canarylab.contract.context import Context
from canarylab.contract.provider import Finding
from canarylab.errors import EXIT_DONE, EXIT_MACHINE
from canarylab.report import findings as report

_LOOKS = 5
_PAUSE = 1.0
"""A service that was started takes a moment: how often to look, and the seconds in between."""


def doctor(options: Options, *, fix: bool) -> int:
    """Exit code 3 where something stands in the way; with `fix`, where it still does afterwards."""
    findings: list[Finding] = []

    def work(ctx: Context) -> int:
        findings.extend(ctx.provider.infrastructure.findings(ctx))
        if fix:
            findings[:] = _fixed(ctx, findings)
        return EXIT_MACHINE if any(finding.fatal and not finding.ok for finding in findings) else EXIT_DONE

    code = run(options, work)
    if findings:
        report.show(findings, options.output, sys.stdout)
    return code


def _fixed(ctx: Context, findings: list[Finding]) -> list[Finding]:
    """Fix what can be fixed, and look again."""
    done = fix_findings(ctx, findings)
    for _ in range(_LOOKS if done else 0):
        findings = ctx.provider.infrastructure.findings(ctx)
        if not set(done).intersection(repairs(findings)):
            break
        ctx.cancel.sleep(_PAUSE)
    return findings
