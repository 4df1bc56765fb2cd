"""Processes that a killed run or minikube itself left behind: a start that goes on, a machine nobody knows any more."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.cancel import wait_until
from canarylab.errors import CommandError, StageError
from canarylab.providers.minikube import processes, vm
from canarylab.providers.minikube.processes import Process
from canarylab.removal import Removal

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_SIGNALS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
"""How a process is ended, each signal with the seconds it has to work."""
_EXIT_SECONDS = 10.0
"""How long a virtual machine may take to end by itself once minikube has told it to: it gives its memory back first."""
_LOOK_SECONDS = 0.5
_MACHINES = ("vfkit", "krunkit")
"""The programs, beside qemu's, whose processes are a driver's virtual machines on this host."""


def machine_folder(profile: str) -> Path:
    """The folder with a virtual machine's files, which its command line names."""
    return vm.home() / "machines" / profile


def is_start(words: tuple[str, ...], profile: str) -> bool:
    """Whether this is the command line of a `minikube start` for the profile, run by an interpreter or not."""
    return processes.runs_minikube(words, "start") and processes.profile_of(words) == profile


def is_machine(words: tuple[str, ...], profile: str) -> bool:
    """Whether this is a virtual machine whose files lie in the profile's folder."""
    names = [Path(word).name for word in words[:2]]
    is_one = any(name.startswith("qemu-system-") or name in _MACHINES for name in names)
    return is_one and f"{machine_folder(profile)}/" in " ".join(words)


def _starts(ctx: Context) -> list[Process]:
    return [process for process in processes.running(ctx.runner) if is_start(process.words, ctx.profile)]


def await_other_start(ctx: Context) -> None:
    """A run that was killed may have left its minikube at work: two of them on one profile break it."""
    running = _starts(ctx)
    if not running:
        return
    ctx.progress(f"waiting for the minikube of a run that was killed: {running[0]}")
    if not _wait_for_end(ctx, _starts, ctx.remaining):
        raise StageError(
            "another minikube is still starting this cluster",
            where=str(running[0]),
            remedy=f"wait for it, or end it: kill {running[0].pid}",
        )


def end_other_starts(ctx: Context) -> list[Removal]:
    """A cluster that is still being made can't be deleted: end the minikube that a killed run left at it."""
    return _end_all(ctx, _starts(ctx), "minikube start that a killed run left")


def end_orphans(ctx: Context) -> list[Removal]:
    """End virtual machines that minikube has forgotten: it deletes their files even where it can't stop them.

    One that is only still exiting isn't forgotten: each gets a moment first.
    """
    found = _machines(ctx)
    if not found:
        return []
    ctx.progress(f"waiting for the virtual machine to end: process {found[0].pid}")
    if _wait_for_end(ctx, _machines, _EXIT_SECONDS):
        return []
    return _end_all(ctx, _machines(ctx), "virtual machine that minikube has forgotten")


def _machines(ctx: Context) -> list[Process]:
    return [process for process in processes.running(ctx.runner) if is_machine(process.words, ctx.profile)]


def _wait_for_end(ctx: Context, running: Callable[[Context], list[Process]], seconds: float) -> bool:
    """Whether all of them have ended within so many seconds. A look that fails doesn't say that any has."""

    def is_over() -> bool:
        with suppress(CommandError, OSError):
            return not running(ctx)
        return False

    return wait_until(is_over, deadline=ctx.cancel.now() + seconds, cancel=ctx.cancel, interval=_LOOK_SECONDS)


def _end_all(ctx: Context, found: Iterable[Process], what: str) -> list[Removal]:
    removals = []
    for process in found:
        subject = f"{what}, process {process.pid}"
        if processes.end(ctx.runner, process, ctx.cancel, _SIGNALS):
            removals.append(Removal(subject, "removed"))
        else:
            removals.append(Removal(subject, "failed", f"it doesn't stop: {process}"))
    return removals
