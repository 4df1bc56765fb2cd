"""`invoke doctor`: can this machine do it? Changes nothing."""

from __future__ import annotations

import sys

from canarylab.commands.run import Options, run
from canarylab.context import Context
from canarylab.errors import EXIT_DONE, EXIT_MACHINE
from canarylab.providers.base import Finding
from canarylab.report import findings as report


def doctor(options: Options, *, fix: bool) -> int:  # noqa: ARG001
    """Exit code 3 where something stands in the way."""
    findings: list[Finding] = []

    def work(ctx: Context) -> int:
        findings.extend(ctx.provider.findings(ctx))
        return EXIT_MACHINE if any(finding.fatal and not finding.ok for finding in findings) else EXIT_DONE

    code = run(options, work)
    if findings:
        report.show(findings, options.output, sys.stdout)
    return code
