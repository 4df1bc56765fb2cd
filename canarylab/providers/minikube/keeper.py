"""Keeps `minikube tunnel` running in the background, as a process of the profile's supervisor.

It runs minikube's tunnel only while the route is there, so that minikube never asks for sudo where nobody can answer,
and reports its state in the profile's folder. Only SIGINT makes minikube take back what it did.
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

    def serve(self, cancel: Cancel) -> None:
        """Until cancelled: whatever ends is started again, after a pause."""
        failures = 0
        with suppress(CancelledError):
            self._take_over(cancel)
            while True:
                failures = 0 if self._once(cancel) else min(failures + 1, len(_PAUSES) - 1)
                cancel.sleep(_PAUSES[failures])

    def _once(self, cancel: Cancel) -> bool:
        """Run it until it ends or has to be ended; whether it came to work."""
        choice = Choice.load(self.folder)
        if choice is None or choice.way != "tunnel":
            return False  # whoever withdrew it ends this process, too
        try:
            stale = tunnel_owners.stale_entries(self.runner, choice.vm.profile, choice.vm.route)
            tunnel_owners.forget(stale)  # minikube would use sudo for them, or give up
            problem = self._missing(choice.vm)
            if not problem:
                return self._run(choice.vm, cancel)
        except (CanarylabError, OSError) as error:
            cancel.check()
            problem = str(error)
        self._report(KeeperReport(problem=problem))
        return False

    def _missing(self, vm: Vm) -> str:
        """What stands in the way of a tunnel, "" if nothing; a route is put back where nobody has to be asked."""
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
        child = self.start(Minikube(vm.profile).tunnel(), output)
        process = processes.find(self.runner, child.pid)
        output.add(pid=child.pid, started=process.started if process else "")
        code, why = self._watch(child, vm, output, cancel)
        said = output.last_words()
        self._report(KeeperReport(code=code, said=said, problem=why or meaning(code, said)))
        return bool(output.known.route)

    def _watch(self, child: Background, vm: Vm, output: _Output, cancel: Cancel) -> tuple[int, str]:
        """Its exit code, and why it had to be ended, "" where it ended by itself."""
        in_error, look = 0, cancel.now() + _LOOK_SECONDS
        while (code := child.wait(_WAIT_SECONDS)) is None:
            if cancel.is_set:
                return end(child), "asked to stop"
            if cancel.now() < look:
                continue
            look = cancel.now() + _LOOK_SECONDS
            if not routes.is_there(self.runner, vm.route):
                return end(child), f"the route {vm.route} was lost: the tunnel is started again"
            in_error = in_error + 1 if output.known.errors.get("router") else 0
            if in_error >= _LOOKS_IN_ERROR:  # minikube's setupRoute doesn't clear it once the route is there
                return end(child), "its error stayed: the tunnel is started again"
        return code, ""

    def _take_over(self, cancel: Cancel) -> None:
        """End the tunnel of a keeper that was killed; on Linux the system has interrupted it already."""
        orphan = tunnel_owners.own_tunnel(self.runner, KeeperReport.load(self.folder))
        if orphan:
            print(f"ends what a killed keeper left: {orphan}", flush=True)
            interrupted = [(0, GRACE_SECONDS)] if sys.platform == "linux" else []
            processes.end(self.runner, orphan, cancel, [*interrupted, *_signals()])

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
        self._report = report
        self._lines: list[str] = []
        self._lock = threading.Lock()  # the lines come in a thread of their own, the first before `add` is called

    def add(self, **known: Any) -> None:
        """What is known from now on of the process, or by its status block."""
        with self._lock:
            self.known = dataclasses.replace(self.known, **known)
            if self.known.pid is not None:
                self._report(self.known)

    def __call__(self, line: str) -> None:
        print(line, flush=True)
        if line.startswith("Status:"):
            self._lines.clear()
        self._lines = [*self._lines, line][-_BLOCK_LINES:]
        if line.strip().startswith(_LAST_ENTRY) and (block := parse_tunnel("\n".join([*self._lines, ""]))):
            self._lines.clear()
            self.add(route=f"{block.destination} -> {block.gateway}", errors=dict(block.errors))

    def last_words(self) -> str:
        return "\n".join([line for line in self._lines if line.strip()][-_LAST_LINES:])


def meaning(code: int, said: str) -> str:
    """Why a tunnel ended by itself, in a line."""
    if code == 0:
        return "the virtual machine isn't running: minikube ended the tunnel"
    return f"`minikube tunnel` ended with {code}: {' '.join(said.split()) or 'it said nothing'}"


def end(child: Background) -> int:
    """End a tunnel as gently as it lets itself be ended; its exit code."""
    for number, seconds in _signals():
        child.signal(number)
        if (code := child.wait(seconds)) is not None:
            return code
    return -signal.SIGKILL


def _signals() -> list[tuple[int, float]]:
    """Each with the seconds it has to work."""
    return [(signal.SIGINT, GRACE_SECONDS), (signal.SIGTERM, _HARDER_SECONDS), (signal.SIGKILL, _HARDER_SECONDS)]


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
