"""Why a node doesn't answer: what the host sees of its processes, and of the memory that it may take."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.providers.embedded.ceiling import PROCESSES, Host, gib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from canarylab.providers.embedded.machine import Machine

_NEEDED = {
    "containerd": "var/log/containerd/current",
    "kubelet": "var/log/kubelet/current",
    "etcd": "var/log/pods",
    "kube-apiserver": "var/log/pods",
}
"""The programs without which the API doesn't answer, each needing those before it, and where they log."""
_NEARLY = 0.97
"""Of a limit: what is above it is about to be ended, or waits for memory."""
_HOST_LITTLE = 0.03


def found(machine: Machine, proc: Path = Path("/proc")) -> list[str]:
    """What is seen, in words; [] where all of it runs and has what it needs."""
    if machine.init() is None:
        log = machine.path("logs/machine.log")
        return [f"its machine isn't running; `{machine.command('up')}` starts it, {log} says why"]
    return [*_processes(machine, proc), *_memory(machine, proc)]


def _processes(machine: Machine, proc: Path) -> Iterator[str]:
    pids = machine.groups.processes()
    running = set(_names(pids, proc))
    # The first that is missing: what needs it can't run either.
    for name, log in _NEEDED.items():
        if name not in running:
            yield f"{name} isn't running in the node; {machine.path(log)} says why"
            return
    if (tasks := machine.groups.tasks()) and tasks >= PROCESSES * _NEARLY:
        yield f"it has {tasks} processes and threads of the {PROCESSES} that it may have"


def _names(pids: Iterable[int], proc: Path) -> Iterator[str]:
    for pid in pids:
        with suppress(OSError):  # it ended meanwhile
            yield (proc / str(pid) / "comm").read_text().strip()


def _memory(machine: Machine, proc: Path) -> Iterator[str]:
    if (memory := machine.groups.memory()) and memory[0] >= memory[1] * _NEARLY:
        yield f"it uses {gib(memory[0])} of the {gib(memory[1])} of memory that it may take"
    with suppress(OSError, KeyError, ValueError):
        host = Host.read(proc)
        if host.available < host.memory * _HOST_LITTLE:
            yield f"this host has {gib(host.available)} of its {gib(host.memory)} of memory left"
