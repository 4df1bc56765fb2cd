"""`invoke doctor`: can this machine do it, and would `up` take the playbook's files?

Changes nothing, but with `--fix` what its findings name as safe. What is safe is run at once; what needs root only with
the user's word.
"""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from canarylab.commands.run import Options, run
from canarylab.contract.context import Context
from canarylab.contract.provider import Finding
from canarylab.disks import machine_trouble
from canarylab.engine import bring_up
from canarylab.errors import (
    EXIT_DONE,
    EXIT_MACHINE,
    CanarylabError,
    CancelledError,
    MachineError,
    NotYetObservableError,
)
from canarylab.events import Notice
from canarylab.report import findings as report
from canarylab.terminal import confirmed
from canarylab.tools import sudo
from canarylab.tools.runner import tail

_LOOKS = 5
_PAUSE = 1.0
"""A service that was started takes a moment: how often to look, and the seconds in between."""
_ANSWER_SECONDS = 1.5
"""How long one waits for an answer that is only a sign of life."""
_SECONDS = 1800.0
"""How long a command may take: Homebrew fetches, and on an old macOS builds."""


def doctor(options: Options, *, fix: bool) -> int:
    """Exit code 3 where something stands in the way; with `fix`, where it still does afterwards."""
    findings: list[Finding] = []

    def work(ctx: Context) -> int:
        findings.extend(_look(ctx))
        if fix:
            findings[:] = _fixed(ctx, findings)
        findings.extend(_of_playbook(ctx))
        return EXIT_MACHINE if any(finding.fatal and not finding.ok for finding in findings) else EXIT_DONE

    code = run(options, work)
    if findings:
        report.show(findings, options.output, sys.stdout)
    return code


def _look(ctx: Context) -> list[Finding]:
    """What stands in the way of looking is a finding as well: nobody is sent from here to where they are."""
    try:
        return list(ctx.provider.infrastructure.findings(ctx))
    except (OSError, MachineError) as error:
        trouble = machine_trouble(error) if isinstance(error, OSError) else error
        remedy = trouble.remedy or ""
        return [Finding("this machine", False, trouble.what, "" if "doctor" in remedy else remedy)]


def _of_playbook(ctx: Context) -> list[Finding]:
    """The first of what `up` would refuse of the playbook's files, however able the machine is."""
    quiet = dataclasses.replace(ctx, emit=lambda _: None)  # what is worth knowing besides, `up` and `plan` tell
    try:
        for stage in ctx.playbook.stages:
            stage.check()
        if _can_be_asked(ctx):
            bring_up.preflight(quiet, ctx.playbook.stages)
    except CancelledError:
        raise
    except CanarylabError as error:
        seen = "; ".join(filter(None, (f"{error.where}: {error.what}" if error.where else error.what, error.why)))
        return [Finding("playbook", False, seen, error.remedy or "", fatal=isinstance(error, MachineError))]
    return []


def _can_be_asked(ctx: Context) -> bool:
    """Whether there is no cluster yet, so that nothing is asked of it, or one that answers."""
    try:
        return ctx.cluster.answers(_ANSWER_SECONDS)
    except NotYetObservableError:
        return True
    except CanarylabError:  # the findings say why
        return False


def _fixed(ctx: Context, findings: list[Finding]) -> list[Finding]:
    """Fix what can be fixed, and look again."""
    done = _fix(ctx, findings)
    for _ in range(_LOOKS if done else 0):
        findings = _look(ctx)
        if not set(done).intersection(_repairs(findings)):
            break
        ctx.cancel.sleep(_PAUSE)
    return findings


@dataclass(frozen=True)
class _Repair:
    """One command, and what it is for."""

    command: tuple[str, ...]
    needs_root: bool
    subject: str

    def __str__(self) -> str:
        return f"{'sudo ' if self.needs_root else ''}{shlex.join(self.command)}"


def _repairs(findings: Sequence[Finding]) -> list[_Repair]:
    """What can be fixed, in the findings' order, each command once."""
    wanted = (
        _Repair(finding.fix, finding.needs_root, finding.subject)
        for finding in findings
        if finding.fix and not finding.ok
    )
    return list({repair.command: repair for repair in reversed(list(wanted))}.values())[::-1]


def _fix(ctx: Context, findings: Sequence[Finding]) -> list[_Repair]:
    """Run what is safe; returns what succeeded. A failure is reported, and the rest is run all the same."""
    wanted = _repairs(findings)
    for_root = [repair for repair in wanted if repair.needs_root]
    if for_root and not _may_use_root(ctx, for_root):
        wanted = [repair for repair in wanted if not repair.needs_root]
    needs_sudo = not sudo.is_root() and any(repair.needs_root for repair in wanted)
    with sudo.kept_alive(ctx.runner, ctx.cancel) if needs_sudo else nullcontext():
        return [repair for repair in wanted if _run(ctx, repair)]


def _run(ctx: Context, repair: _Repair) -> bool:
    ctx.emit(Notice(f"{repair.subject}: {repair}"))
    try:
        if repair.needs_root:
            result = sudo.run(ctx.runner, repair.command, _SECONDS)
        else:
            result = ctx.runner.run(repair.command, timeout=_SECONDS)
    except CancelledError:
        raise
    except CanarylabError as error:
        ctx.emit(Notice(f"{repair.subject}: failed: {error}"))
        return False
    if said := tail(result.stdout or result.stderr, 1):
        ctx.emit(Notice(f"{repair.subject}: {said}"))
    return True


# -- root -------------------------------------------------------------------------------------------------------------


def _may_use_root(ctx: Context, wanted: Sequence[_Repair]) -> bool:
    """Say what needs sudo, then ask once: for the password, or, where sudo needs none, whether to go on."""
    if sudo.is_root():
        return True
    listed = "\n".join(f"  {repair}" for repair in wanted)
    ctx.emit(Notice(f"these need sudo:\n{listed}"))
    if shutil.which("sudo") is None:
        return _leave(ctx, "there is no sudo here")
    free = sudo.allowed(ctx.runner)
    if free and ctx.consent.yes:
        return True
    if not sys.stdin.isatty():
        why = "--yes would run them" if free else "there is no terminal to ask for the password"
        return _leave(ctx, why)
    agreed = confirmed("run them?") if free else sudo.ask(ctx.runner, "these commands")
    return agreed or _leave(ctx, "you declined")


def _leave(ctx: Context, why: str) -> bool:
    ctx.emit(Notice(f"they are left for you to paste: {why}"))
    return False
