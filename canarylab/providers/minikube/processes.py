"""Who a process is. A process id alone says nothing: it may have been given to another since it was written down.

A look that fails raises: "not seen" is never told as "not there".
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from canarylab.cancel import Cancel, wait_until
from canarylab.errors import CommandError
from canarylab.tools.runner import Runner

_PROC = Path("/proc")
_PS_SECONDS = 30.0
"""A machine that is short of memory takes long, and whoever asks must know."""
_NO_SUCH_PROCESS = 1
"""What `ps` ends with where it finds none."""
_DATE_WORDS = 5
"""`ps` prints `lstart` as `Mon Nov 23 11:34:00 2026`."""


@dataclass(frozen=True)
class Process:
    """A process that runs. `pid` and `started` together are never given to another; the rest may change."""

    pid: int
    started: str
    since: str = field(compare=False)
    """When it was started, as people write it."""
    words: tuple[str, ...] = field(compare=False)
    """Its command line: nothing for a moment while a program is being replaced by another."""

    def __str__(self) -> str:
        return f"process {self.pid} since {self.since} ({' '.join(self.words)})"


def find(runner: Runner, pid: int) -> Process | None:
    """The process that has this id now; None where none has, where it has ended and is a zombie, or is hidden.

    Only another user's can be hidden. Raises CommandError or OSError where that can't be seen now.
    """
    if sys.platform == "linux":
        return _from_proc(pid)
    return next(_from_ps(runner, ["-p", str(pid)]), None)


def running(runner: Runner) -> list[Process]:
    """Every process on this machine whose command line can be read. Raises as `find` does."""
    if sys.platform == "linux":
        pids = sorted(int(entry.name) for entry in _PROC.glob("[0-9]*"))
        return list(filter(None, map(_from_proc, pids)))
    return list(_from_ps(runner, ["-ax"]))


def tunnels(runner: Runner) -> list[Process]:
    """Every `minikube tunnel` on this machine, of whichever profile and user."""
    return [process for process in running(runner) if runs_minikube(process.words, "tunnel")]


def end(runner: Runner, process: Process, cancel: Cancel, signals: Iterable[tuple[int, float]]) -> bool:
    """Send this process, and no other that was given its id, one signal after the other; whether it is gone.

    Each has so many seconds to work. One that can't be looked at counts as running and gets no signal; so does one
    that belongs to another user.
    """

    def is_gone() -> bool:
        with suppress(CommandError, OSError):
            return find(runner, process.pid) != process
        return False

    def send(number: int) -> None:
        with suppress(CommandError, OSError):
            if find(runner, process.pid) == process:
                os.kill(process.pid, number)

    for number, seconds in signals:
        send(number)
        if wait_until(is_gone, deadline=cancel.now() + seconds, cancel=cancel):
            return True
    return False


def runs_minikube(words: Sequence[str], command: str) -> bool:
    """Whether this command line is that of `minikube COMMAND`, run by an interpreter or not."""
    return command in words and any(Path(word).name == "minikube" for word in words[: words.index(command)])


def profile_of(words: Sequence[str]) -> str:
    """The profile that a command line of minikube names, "" where it leaves it to minikube's configuration."""
    found = re.search(r"(?:^|\0)(?:-p|--profile)[=\0]([^\0]*)", "\0".join(words))
    return found[1] if found else ""


def _from_proc(pid: int) -> Process | None:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        words = (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None  # it ended meanwhile, or is another user's, whose processes are hidden here (proc(5), hidepid)
    state, ticks = fields[0], int(fields[19])
    if state == "Z":
        return None
    return Process(pid, str(ticks), _moment(ticks), tuple(words))


def _moment(ticks: int) -> str:
    booted = next(int(line.split()[1]) for line in (_PROC / "stat").open() if line.startswith("btime "))
    seconds = booted + ticks / os.sysconf("SC_CLK_TCK")
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def _from_ps(runner: Runner, which: Sequence[str]) -> Iterator[Process]:
    argv = ["ps", "-ww", *which, "-o", "pid=,lstart=,command="]
    printed = runner.run(argv, timeout=_PS_SECONDS, env={"LC_ALL": "C"}, ok=(0, _NO_SUCH_PROCESS)).stdout
    return filter(None, map(parse_ps, printed.splitlines()))


def parse_ps(line: str) -> Process | None:
    """One line of `ps -o pid=,lstart=,command=`; None for one that isn't."""
    pid, *rest = line.split() or [""]
    started, words = " ".join(rest[:_DATE_WORDS]), rest[_DATE_WORDS:]
    return Process(int(pid), started, started, tuple(words)) if pid.isdigit() and words else None
