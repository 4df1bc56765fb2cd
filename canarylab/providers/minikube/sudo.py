"""Root, only for what minikube's tunnel itself does as root, and only in the foreground.

sudo remembers a password for each terminal, and where there is none for each parent process (sudoers(5),
timestamp_type), so a process in the background can't use what was typed here. The route and the resolver's file are
therefore made and removed by this process; minikube leaves alone what it finds as it should be.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError, MachineError
from canarylab.events import Notice
from canarylab.providers.minikube import needs
from canarylab.tools.runner import Result, Runner

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_TIMEOUT = 30.0
_REFRESH_SECONDS = 60.0
"""sudo forgets a password after 5 minutes; less than a minute is rarely set."""


@contextmanager
def session(ctx: Context, command: str) -> Iterator[None]:
    """Around a command: the password is asked for once, at its start, and kept only while something still needs it.

    Nobody is asked without a terminal: then the tunnel is replaced by its way around, and what can't be removed is
    told. Raises MachineError as `refuse_sudo_invoke`.
    """
    refuse_sudo_invoke()
    purposes = [] if needs.is_root() else needs.of(ctx, command)
    if purposes and not allowed(ctx.runner):
        _ask(ctx, purposes)
    if purposes and allowed(ctx.runner):
        with _kept_alive(ctx, command):
            yield
    else:
        yield


def allowed(runner: Runner) -> bool:
    """Whether root can be had now without asking anybody."""
    if needs.is_root():
        return True
    return (
        shutil.which("sudo") is not None and runner.run(["sudo", "-n", "true"], timeout=_TIMEOUT, ok=(0, 1)).code == 0
    )


def run(runner: Runner, argv: Sequence[str]) -> Result:
    """Run it as root, without a question. Raises CommandError where that fails or isn't allowed."""
    return runner.run(argv if needs.is_root() else ["sudo", "-n", *argv], timeout=_TIMEOUT)


def refuse_sudo_invoke() -> None:
    """Raise MachineError where the whole command was started with sudo."""
    if needs.is_root() and (user := os.environ.get("SUDO_USER")):
        raise MachineError(
            "minikube must not run as root",
            why="with sudo its files and virtual machine become root's, and are then out of the user's reach",
            remedy=f"run the same command as {user}, without sudo: it asks for the password itself where it needs it",
        )


def _ask(ctx: Context, purposes: Sequence[str]) -> None:
    if not sys.stdin.isatty() or shutil.which("sudo") is None:
        return
    wanted = " and ".join(purposes)
    ctx.emit(Notice(f"sudo is needed for {wanted}; it is asked for once, now"))
    if ctx.runner.attended(["sudo", "-v", "-p", f"[sudo] password of %p, for {wanted}: "]) != 0:
        ctx.emit(Notice("sudo was refused: going on without it"))


@contextmanager
def _kept_alive(ctx: Context, command: str) -> Iterator[None]:
    over = threading.Event()
    thread = threading.Thread(target=_refresh, args=(ctx, command, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def _refresh(ctx: Context, command: str, over: threading.Event) -> None:
    """Until it is over or nothing needs root any more."""
    while not over.wait(_REFRESH_SECONDS):
        try:
            if not needs.of(ctx, command):
                return
            ctx.runner.run(["sudo", "-n", "-v"], timeout=_TIMEOUT)
        except CanarylabError:  # cancelled, or refused: whoever needs root next says so
            return
