"""The one place where programs are started; nothing else imports `sh`."""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from canarylab.cancel import Cancel
from canarylab.errors import CommandError, MachineError

TAIL_LINES = 20
_MAX_CHUNKS = 1_000_000
"""How many chunks of output sh keeps: its default forgets the beginning of a long one."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Result:
    """What a program printed, and how long it took in seconds."""

    stdout: str
    stderr: str
    code: int
    seconds: float


class Runner(Protocol):
    """Starts programs. Tests put in one that knows a fixed set of command lines and raises on any other."""

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        on_line: Callable[[str], None] | None = None,
        ok: Sequence[int] = (0,),
    ) -> Result:
        """Run to the end and return what it printed.

        `timeout` is in seconds; `env` is laid over a copy of this process' own; `on_line` gets each line of both
        streams as it comes. Raises CommandError for an exit code not in `ok` or at the timeout, MachineError where
        the program isn't there.
        """
        ...


class SystemRunner:
    """The real one. A program dies with the tool, and at once when the run is cancelled."""

    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        on_line: Callable[[str], None] | None = None,
        ok: Sequence[int] = (0,),
    ) -> Result:
        import sh

        self._cancel.check()
        words = [str(word) for word in argv]
        listeners = {"_out": _each(on_line), "_err": _each(on_line), "_tee": True} if on_line else {}
        started = time.monotonic()
        try:
            process = sh.Command(words[0])(
                *words[1:],
                _bg=True,
                _bg_exc=False,
                _cwd=str(cwd) if cwd else None,
                _env={**os.environ, **(env or {})},
                _in=stdin if stdin is not None else "",
                _internal_bufsize=_MAX_CHUNKS,
                _tty_out=False,
                _new_group=True,
                _preexec_fn=_die_with_parent if sys.platform == "linux" else None,
                _return_cmd=True,
                **listeners,
            )
        except sh.CommandNotFound as missing:
            raise MachineError(
                f"{words[0]} isn't on this machine", remedy="`invoke doctor` says how to install what is missing"
            ) from missing
        in_time = self._wait(process, timeout)
        code = int(process.exit_code)
        result = Result(_text(process.stdout), _text(process.stderr), code, time.monotonic() - started)
        if not in_time or code not in ok:
            raise CommandError(shlex.join(words), code if in_time else None, tail(result.stderr or result.stdout))
        return result

    def _wait(self, process: Any, timeout: float) -> bool:
        """Wait for the end; False if it had to be ended. (sh's own `_timeout` polls, which costs 0.1 s a call.)"""
        import sh

        ended = threading.Event()

        def end() -> None:
            ended.set()
            _kill(process)

        timer = threading.Timer(timeout, end)
        timer.daemon = True
        timer.start()
        unsubscribe = self._cancel.subscribe(lambda: _kill(process))
        try:
            process.wait()
        except sh.ErrorReturnCode:
            pass  # the caller says which codes are fine
        finally:
            timer.cancel()
            unsubscribe()
        self._cancel.check()
        return not ended.is_set()


def _each(on_line: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: on_line(line.rstrip("\n"))


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last lines of what a program printed: where programs say why they failed."""
    return "\n".join(text.strip().splitlines()[-lines:])


def _kill(process: Any) -> None:
    try:
        process.signal_group(signal.SIGTERM)
    except ProcessLookupError:
        pass  # it ended by itself


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
