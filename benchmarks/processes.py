"""Runs commands to their end and keeps hold of whatever they leave running.

This process adopts every orphan below it (Linux' "child subreaper"): a daemon that a command has started becomes a
child of ours, not of PID 1. So what is left of a command is known exactly, whatever else runs on the machine.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PEAK_INTERVAL = 0.05
_END_SECONDS = 60.0


class CommandFailed(Exception):  # noqa: N818 - the outcome of a command, not a bug of ours
    """A command that didn't end with an exit code it may end with."""


@dataclass(frozen=True)
class Ended:
    """A command that is over."""

    seconds: float
    output: str
    peak_bytes: int
    """The most memory that the command's own process had resident, programs that it started not included."""


def adopt_orphans() -> None:
    """Become the parent of descendants that outlive theirs. Raises OSError where Linux can't (prctl(2))."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1) != 0:
        raise OSError(ctypes.get_errno(), "this kernel doesn't know PR_SET_CHILD_SUBREAPER")


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    timeout: float,
    ok: Sequence[int] = (0,),
) -> Ended:
    """Run to the end, both streams into `log`. Raises CommandFailed for another exit code, or after `timeout` seconds.

    An exception on the way, such as Ctrl-C, ends the command before it goes on.
    """
    with log.open("wb") as stream:
        started = time.monotonic()
        # In a session of its own: Ctrl-C reaches us only, and we end it in order.
        process = subprocess.Popen(
            # Should we be killed, nothing goes on by itself.
            ["setpriv", "--pdeathsig", "TERM", *map(str, argv)],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            with _deadline(process.pid, timeout) as late, _peak(process.pid) as peak:
                code = _wait(process.pid)
                seconds = time.monotonic() - started
        except BaseException:
            _end(process.pid)
            raise
        finally:
            process.returncode = 0  # waited for already: Popen must not try
    output = log.read_text(errors="replace")
    if late.is_set() or code not in ok:
        what = f"took longer than {timeout:g} s" if late.is_set() else f"ended with exit code {code}"
        last = "\n".join(output.splitlines()[-15:])
        raise CommandFailed(f"{' '.join(map(str, argv))} {what}; all of it is in {log}\n{last}")
    return Ended(seconds, output, max(peak, default=0))


def descendants() -> list[int]:
    """Every living process below this one."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):  # it ended meanwhile
                # After the name in brackets, which may hold anything: state, parent.
                state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    children.setdefault(int(parent), []).append(int(process.name))
    found, queue = [], [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def reap() -> None:
    """Collect the adopted processes that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _wait(pid: int) -> int:
    """Wait for one child, and collect adopted ones that end meanwhile.

    Whoever waits for a daemon's end asks whether its process id is still there; it is until it's collected.
    """
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return os.waitstatus_to_exitcode(status)


@contextmanager
def _deadline(pid: int, timeout: float) -> Iterator[threading.Event]:
    late = threading.Event()

    def end() -> None:
        late.set()
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)

    timer = threading.Timer(timeout, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


@contextmanager
def _peak(pid: int) -> Iterator[list[int]]:
    """Read the process' high-water mark as long as it lives.

    What wait4 says afterwards won't do: it is the largest of the process and of all it has waited for, Helm included.
    """
    marks: list[int] = []
    over = threading.Event()

    def look() -> None:
        status = Path(f"/proc/{pid}/status")
        while not over.wait(_PEAK_INTERVAL):
            with suppress(OSError):
                line = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), None)
                if line:
                    marks.append(int(line.split()[1]) * 1024)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield marks
    finally:
        over.set()
        watcher.join()


def _end(group: int) -> None:
    """End a process group: politely, then for good."""
    for number, seconds in ((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, _END_SECONDS)):
        with suppress(ProcessLookupError):
            os.killpg(group, number)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            reap()
            if not Path(f"/proc/{group}").exists():
                return
            time.sleep(0.05)
