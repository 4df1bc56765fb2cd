"""`invoke doctor --fix`: runs the commands that findings name as safe; those for root only with the user's word."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from canarylab.contract.context import Context
from canarylab.contract.provider import Finding
from canarylab.errors import CanarylabError, CancelledError
from canarylab.events import Notice
from canarylab.tools.runner import tail

_SECONDS = 1800.0
"""How long a command may take: Homebrew fetches, and on an old macOS builds."""
_SUDO_SECONDS = 30.0
_REFRESH_SECONDS = 60.0
"""sudo forgets a password after five minutes, and what is installed before may take longer."""


@dataclass(frozen=True)
class Repair:
    """One command, and what it is for."""

    command: tuple[str, ...]
    needs_root: bool
    subject: str

    def __str__(self) -> str:
        return f"{'sudo ' if self.needs_root else ''}{shlex.join(self.command)}"


def repairs(findings: Sequence[Finding]) -> list[Repair]:
    """What can be mended, in the findings' order, each command once."""
    wanted = (
        Repair(finding.fix, finding.needs_root, finding.subject)
        for finding in findings
        if finding.fix and not finding.ok
    )
    return list({repair.command: repair for repair in reversed(list(wanted))}.values())[::-1]


def mend(ctx: Context, findings: Sequence[Finding]) -> list[Repair]:
    """What was run and ended well. What fails is told, and the rest is done all the same."""
    wanted = repairs(findings)
    for_root = [repair for repair in wanted if repair.needs_root]
    if for_root and not _may_use_root(ctx, for_root):
        wanted = [repair for repair in wanted if not repair.needs_root]
    with _password_kept(ctx, any(repair.needs_root for repair in wanted)):
        return [repair for repair in wanted if _run(ctx, repair)]


def _run(ctx: Context, repair: Repair) -> bool:
    ctx.emit(Notice(f"{repair.subject}: {repair}"))
    # -n: the password was asked for before; a second question would hang unseen.
    argv = ["sudo", "-n", *repair.command] if repair.needs_root and not _is_root() else repair.command
    try:
        result = ctx.runner.run(argv, timeout=_SECONDS)
    except CancelledError:
        raise
    except CanarylabError as error:
        ctx.emit(Notice(f"{repair.subject}: failed: {error}"))
        return False
    if said := tail(result.stdout or result.stderr, 1):
        ctx.emit(Notice(f"{repair.subject}: {said}"))
    return True


# -- root -------------------------------------------------------------------------------------------------------------


def _may_use_root(ctx: Context, wanted: Sequence[Repair]) -> bool:
    """Say what needs sudo, then ask once: for the password, or, where sudo needs none, whether to go on."""
    if _is_root():
        return True
    listed = "\n".join(f"  {repair}" for repair in wanted)
    ctx.emit(Notice(f"these need sudo:\n{listed}"))
    if shutil.which("sudo") is None:
        return _left(ctx, "there is no sudo here")
    free = ctx.runner.run(["sudo", "-n", "true"], timeout=_SUDO_SECONDS, ok=range(256)).code == 0
    if free and ctx.consent.yes:
        return True
    if not sys.stdin.isatty():
        why = "--yes would run them" if free else "there is no terminal to ask for the password"
        return _left(ctx, why)
    agreed = _confirmed() if free else _password(ctx)
    return agreed or _left(ctx, "as you wish")


def _left(ctx: Context, why: str) -> bool:
    ctx.emit(Notice(f"they are left for you to paste: {why}"))
    return False


def _confirmed() -> bool:
    print("run them? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _password(ctx: Context) -> bool:
    return ctx.runner.attended(["sudo", "-v", "-p", "[sudo] password of %p, for these commands: "]) == 0


@contextmanager
def _password_kept(ctx: Context, needed: bool) -> Iterator[None]:
    """Keep sudo from forgetting the password meanwhile."""
    over = threading.Event()
    if needed and not _is_root():
        threading.Thread(target=_refresh, args=(ctx, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _refresh(ctx: Context, over: threading.Event) -> None:
    while not over.wait(_REFRESH_SECONDS):
        try:
            ctx.runner.run(["sudo", "-n", "-v"], timeout=_SUDO_SECONDS)
        except CanarylabError:  # cancelled, or refused: the next command for root says so
            return


def _is_root() -> bool:
    return os.geteuid() == 0
