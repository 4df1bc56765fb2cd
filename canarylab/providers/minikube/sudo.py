"""Root, only for what minikube's tunnel itself does as root, and only in the foreground.

sudo remembers a password for each terminal, and where there is none for each parent process (sudoers(5),
timestamp_type), so a process in the background can't use what was typed here. The route and the resolver's file are
therefore made and removed by this process; minikube leaves alone what it finds as it should be.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from canarylab.errors import MachineError
from canarylab.events import Notice
from canarylab.providers.minikube import resolver, routes, tunnel_leftovers, vm
from canarylab.providers.minikube.tunnel_state import Choice
from canarylab.tools import sudo

if TYPE_CHECKING:
    from canarylab.contract.context import Context


@contextmanager
def session(ctx: Context, command: str) -> Iterator[None]:
    """Around a command: the password is asked for once, at its start, and kept only while something still needs it.

    Nobody is asked without a terminal: then node ports are used in place of the tunnel, and what can't be removed is
    reported. Raises MachineError as `refuse_sudo_invoke`.
    """
    refuse_sudo_invoke()
    purposes = [] if sudo.is_root() else needed(ctx, command)
    if purposes and not sudo.allowed(ctx.runner):
        _ask(ctx, purposes)
    is_kept = purposes and sudo.allowed(ctx.runner)
    with sudo.kept_alive(ctx.runner, ctx.cancel, lambda: needed(ctx, command)) if is_kept else nullcontext():
        yield


def refuse_sudo_invoke() -> None:
    """Raise MachineError where the whole command was started with sudo."""
    if sudo.is_root() and (user := os.environ.get("SUDO_USER")):
        raise MachineError(
            "minikube must not run as root",
            why="with sudo its files and virtual machine would belong to root, out of the user's reach",
            remedy=f"run the same command as {user}, without sudo: it asks for the password itself where it needs it",
        )


def _ask(ctx: Context, purposes: Sequence[str]) -> None:
    if not sys.stdin.isatty() or shutil.which("sudo") is None:
        return
    wanted = " and ".join(purposes)
    ctx.emit(Notice(f"sudo is needed for {wanted}; it is asked for once, now"))
    if not sudo.ask(ctx.runner, wanted):
        ctx.emit(Notice("sudo was refused: going on without it"))


def needed(ctx: Context, command: str) -> list[str]:
    """What this command needs root for, in words; known before its first change, so that it is asked for once."""
    if command in ("up", "tunnel start"):
        return _to_start(ctx, command)
    found = tunnel_leftovers.of_profile(ctx) if command in ("teardown", "tunnel stop") else []
    return [each.purpose for each in found if each.is_there()]


def _to_start(ctx: Context, command: str) -> list[str]:
    choice, machine = Choice.load(ctx.paths.root), vm.find(ctx.profile)
    has_tunnel = command != "up" or any(stage.kind == "tunnel" for stage in ctx.playbook.stages)
    keeps_node_ports = command == "up" and choice is not None and choice.way == "nodeport"
    if not has_tunnel or keeps_node_ports or (machine and (machine.has_builtin_network or machine.is_hidden)):
        return []
    if machine is None:
        named = f", and {resolver.FOLDER}" if platform.system() == "Darwin" else ""
        return [f"the route to the cluster's Services{named}"]
    if routes.is_there(ctx.runner, machine.route):
        return []
    return [f"the route {machine.route}", *([str(resolver.path(machine))] if resolver.is_wanted(machine) else [])]
