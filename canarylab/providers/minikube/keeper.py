"""Keeps `minikube tunnel` running in the background, as a process of the profile's supervisor.

It runs minikube's tunnel only while the route is there, so that minikube never asks for sudo where nobody can answer,
and reports its state in the profile's folder. Only SIGINT makes minikube take back what it did.

Whatever happens in between, a tunnel that it started is ended by it, and none is started while the one before runs or
may run: a look that failed, such as at a program that took too long, says nothing about what it looked at.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from canarylab.cancel import Cancel
from canarylab.errors import CanarylabError, CancelledError, CommandError
from canarylab.providers.minikube import processes, routes, tunnel_owners
from canarylab.providers.minikube.tunnel_state import Choice, KeeperReport
from canarylab.providers.minikube.vm import Vm
from canarylab.tools import sudo
from canarylab.tools.minikube import ENVIRONMENT, Minikube, parse_tunnel
from canarylab.tools.runner import Background, Runner

PROGRAM = "tunnel"
GRACE_SECONDS = 20.0
"""How long minikube may take to clean up after SIGINT: it looks every 5 s, and then asks the API."""
_HARDER_SECONDS = 3.0
SIGNALS = ((signal.SIGINT, GRACE_SECONDS), (signal.SIGTERM, _HARDER_SECONDS), (signal.SIGKILL, _HARDER_SECONDS))
"""How a tunnel is ended, each with the seconds it has to work."""
_LOOK_SECONDS = 5.0
"""How often the route is looked at: as often as minikube does it."""
_LOOKS_IN_ERROR = 3
_WAIT_SECONDS = 0.5
"""How soon it sees that it has to end."""
_PAUSES = (2.0, 5.0, 10.0, 30.0)
"""Seconds before it is started again: after it worked, after the first failure and so on."""
_LAST_LINES = 15
_BLOCK_LINES = 100
"""More than a status block has, in whose errors there may be all that ifconfig printed."""


_UNSEEN = (CanarylabError, OSError, ValueError)
"""What a look fails with: a program that is slow, missing or garbled, a file that can't be read."""

Start = Callable[[Sequence[str], Callable[[str], None]], Background]
_BACKGROUND = partial(Background, env=ENVIRONMENT)
_LAST_ENTRY = "loadbalancer emulator:"
"""How the last line of a status block begins."""


def argv(folder: Path, profile: str) -> list[str]:
    """The command line under which the supervisor runs this module."""
    return [sys.executable, "-m", __name__, "--folder", str(folder), "--profile", profile]


@dataclass
class Keeper:
    """One run of minikube's tunnel after the other, until cancelled."""

    folder: Path
    runner: Runner
    start: Start = _BACKGROUND
    _child: Background | None = None
    """The one that was started last, unless it is known to have ended."""

    def serve(self, cancel: Cancel) -> None:
        """Until cancelled: whatever ends is started again, after a pause."""
        failures = 0
        with suppress(CancelledError):
            while True:
                failures = 0 if self._once(cancel) else min(failures + 1, len(_PAUSES) - 1)
                cancel.sleep(_PAUSES[failures])

    def _once(self, cancel: Cancel) -> bool:
        """Run it until it ends or has to be ended; whether it came to work."""
        try:
            choice = Choice.load(self.folder)
            if choice is None or choice.way != "tunnel":
                return False  # whoever withdrew it ends this process, too
            problem = self._end_former(cancel) or self._missing(choice.vm)
            if not problem:
                return self._run(choice.vm, cancel)
        except _UNSEEN as error:
            cancel.check()
            problem = str(error)
        self._tell(problem)
        return False

    def _end_former(self, cancel: Cancel) -> str:
        """End what may still run, our own or that of a keeper that was killed: "" once it has ended."""
        if self._child and end(self._child) is None:
            return _runs_on(f"process {self._child.pid}")
        self._child = None
        orphan = tunnel_owners.own_tunnel(self.runner, KeeperReport.load(self.folder))
        if orphan:
            print(f"ends what a killed keeper left: {orphan}", flush=True)
            interrupted = [(0, GRACE_SECONDS)] if sys.platform == "linux" else []  # the system has done it already
            if not processes.end(self.runner, orphan, cancel, [*interrupted, *SIGNALS]):
                return _runs_on(str(orphan))
        return ""

    def _missing(self, vm: Vm) -> str:
        """What stands in the way of a tunnel, "" if nothing; a route is put back where nobody has to be asked."""
        stale = tunnel_owners.stale_entries(self.runner, vm.profile, vm.route)
        tunnel_owners.forget(stale)  # minikube would use sudo for them, or give up
        found = routes.route_to(self.runner, vm.services)
        if found:
            return "" if found == vm.route else f"conflicting route {found}"
        way = routes.way_to(self.runner, vm.address)
        if way is None or way.gateway:
            return f"the virtual machine at {vm.address} can't be reached: it doesn't run, or its network is gone"
        try:
            sudo.run(self.runner, routes.add_argv(vm.route))
        except CommandError as error:
            return f"the route {vm.route} was lost, after sleep for instance, and can't be put back: {error.why}"
        return ""

    def _run(self, vm: Vm, cancel: Cancel) -> bool:
        output = _Output(self._report)
        child = self._child = self.start(Minikube(vm.profile).tunnel(), output)
        try:
            why = self._watch(child, vm, output, cancel)
        finally:
            code = end(child)
        said = output.last_words()
        if code is None:
            self._tell(_runs_on(f"process {child.pid}"))
        else:
            self._child = None
            self._report(KeeperReport(code=code, said=said, problem=why or meaning(code, said)))
        return bool(output.known.route)

    def _watch(self, child: Background, vm: Vm, output: _Output, cancel: Cancel) -> str:
        """Until it ends or has to be ended: why it has to, "" where it ended by itself."""
        self._identify(child, output)
        in_error, look = 0, cancel.now() + _LOOK_SECONDS
        while child.wait(_WAIT_SECONDS) is None:
            if cancel.is_set:
                return "asked to stop"
            if cancel.now() < look:
                continue
            look = cancel.now() + _LOOK_SECONDS
            self._identify(child, output)
            if self._is_lost(vm):
                return f"the route {vm.route} was lost: the tunnel is started again"
            in_error = in_error + 1 if output.known.errors.get("router") else 0
            if in_error >= _LOOKS_IN_ERROR:  # minikube's setupRoute doesn't clear it once the route is there
                return "its error stayed: the tunnel is started again"
        return ""

    def _identify(self, child: Background, output: _Output) -> None:
        """Write down who it is, for whoever comes after this keeper; a look that fails is made again with the next."""
        if output.is_written:
            return
        try:
            process = processes.find(self.runner, child.pid)
            output.add(pid=child.pid, started=process.started if process else "")
        except _UNSEEN as error:
            print(f"process {child.pid} can't be looked at: {error}", flush=True)

    def _is_lost(self, vm: Vm) -> bool:
        """Whether the route is known to be gone: a tunnel that works isn't ended for a look that failed."""
        try:
            return not routes.is_there(self.runner, vm.route)
        except _UNSEEN as error:
            print(f"the routes can't be looked at: {error}", flush=True)
            return False

    def _tell(self, problem: str) -> None:
        """What is wrong, beside the process that was last known: whether it has ended may not be known."""
        former = KeeperReport.load(self.folder)
        self._report(KeeperReport(pid=former.pid, started=former.started, problem=problem))

    def _report(self, report: KeeperReport) -> None:
        if report.problem and report.problem != KeeperReport.load(self.folder).problem:
            print(report.problem, flush=True)
        report.save(self.folder)


class _Output:
    """What a tunnel prints: its newest status block, and its last words.

    Nothing is reported before its process is known: whoever reads of a route that works also reads whose it is.
    """

    def __init__(self, report: Callable[[KeeperReport], None]) -> None:
        self.known = KeeperReport()
        self.is_written = False
        """Whether all that is known was reported."""
        self._report = report
        self._lines: list[str] = []
        self._lock = threading.Lock()  # the lines come in a thread of their own, the first before `add` is called

    def add(self, **known: Any) -> None:
        """What is known from now on of the process, or by its status block."""
        with self._lock:
            self.known, self.is_written = dataclasses.replace(self.known, **known), False
            if self.known.pid is not None:
                self._report(self.known)
                self.is_written = True

    def __call__(self, line: str) -> None:
        print(line, flush=True)
        if line.startswith("Status:"):
            self._lines.clear()
        self._lines = [*self._lines, line][-_BLOCK_LINES:]
        if line.strip().startswith(_LAST_ENTRY) and (block := parse_tunnel("\n".join([*self._lines, ""]))):
            self._lines.clear()
            with suppress(*_UNSEEN):  # a full disk, for instance: it is written with the next look
                self.add(route=f"{block.destination} -> {block.gateway}", errors=dict(block.errors))

    def last_words(self) -> str:
        return "\n".join([line for line in self._lines if line.strip()][-_LAST_LINES:])


def meaning(code: int, said: str) -> str:
    """Why a tunnel ended by itself, in a line."""
    if code == 0:
        return "the virtual machine isn't running: minikube ended the tunnel"
    return f"`minikube tunnel` ended with {code}: {' '.join(said.split()) or 'it said nothing'}"


def end(child: Background) -> int | None:
    """End a tunnel, unless it has ended, as gently as it lets itself be ended: its exit code, None if it runs on."""
    for number, seconds in SIGNALS:
        if (code := child.wait(0.0)) is not None:
            return code
        child.signal(number)
        if (code := child.wait(seconds)) is not None:
            return code
    return None


def _runs_on(which: str) -> str:
    return f"the tunnel before doesn't end, not even by SIGKILL, and minikube allows one a profile: {which}"


def main() -> None:
    """The process that the supervisor runs: serves until SIGTERM, SIGINT or the supervisor's end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--profile", required=True, help="for whoever looks at the list of processes")
    options = parser.parse_args()
    cancel = Cancel()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cancel.set_from_signal())
    threading.Thread(target=_end_with_parent, args=(os.getppid(), cancel), daemon=True).start()
    # Its runner is not cancelled: what a tunnel's end takes is still done.
    Keeper(options.folder, Runner(Cancel())).serve(cancel)


def _end_with_parent(parent: int, cancel: Cancel) -> None:
    """A supervisor that was killed starts no second keeper beside this one."""
    with suppress(CancelledError):
        while os.getppid() == parent:
            cancel.sleep(1.0)
        cancel.set()


if __name__ == "__main__":
    main()
