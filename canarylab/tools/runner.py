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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from canarylab.cancel import Cancel
from canarylab.errors import CommandError, MachineError

TAIL_LINES = 20
_MAX_CHUNKS = 1_000_000
"""How many chunks of output sh keeps: its default forgets the beginning of a long one."""
_CHUNK = 1 << 16
"""Bytes of a chunk where nobody listens line by line."""
_GRACE_SECONDS = 5.0
"""How long a program that was asked to stop may take before it is killed."""
_SIGNAL_SECONDS = 0.2
"""How long the thread that a signal started may take to cancel the run."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Result:
    """What a program printed, and how long it took in seconds."""

    stdout: str
    stderr: str
    code: int
    seconds: float

    @property
    def output(self) -> str:
        """All that it printed, stderr last."""
        return f"{self.stdout}\n{self.stderr}"


class Runner:
    """Starts programs. One dies with the tool, and at once when the run is cancelled.

    Tests put in one that knows a fixed set of command lines and raises on any other.
    """

    def __init__(self, cancel: Cancel, *, grace: float = _GRACE_SECONDS) -> None:
        self._cancel = cancel
        self._grace = grace

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
        import sh

        self._cancel.check()
        words = [str(word) for word in argv]
        listener = _Listener(on_line) if on_line else None
        settings = _settings(env, signal.SIGKILL)
        settings |= {"_cwd": str(cwd) if cwd else None, "_in": stdin or "", "_internal_bufsize": _MAX_CHUNKS}
        if listener:
            settings |= {"_out": listener, "_err": listener, "_tee": True}
        else:
            settings |= {"_out_bufsize": _CHUNK, "_err_bufsize": _CHUNK}
        started = time.monotonic()
        try:
            process = _command(words[0])(*words[1:], **settings)
        except sh.ForkException as error:  # its text is the child's traceback; the last line of it says why
            raise MachineError(
                f"{words[0]} can't be started",
                why=tail(str(error), 1).strip(),
                remedy=f"`ls -l {words[0]}` shows whether it is there and may be run; `invoke doctor` looks further",
            ) from error
        in_time = self._wait(process, timeout)
        if listener:
            listener.check()
        code = int(process.exit_code)
        result = Result(_text(process.stdout), _text(process.stderr), code, time.monotonic() - started)
        if not in_time or code not in ok:
            raise CommandError(shlex.join(words), code if in_time else None, tail(result.stderr or result.stdout))
        return result

    def attended(self, argv: Sequence[str | Path]) -> int:
        """Run a program that asks the user something, with this process' own terminal, and return its exit code.

        It waits for the user as long as the program does. Raises MachineError where the program isn't there.
        """
        import sh

        self._cancel.check()
        try:
            _command(str(argv[0]))(*map(str, argv[1:]), _fg=True)
        except sh.ErrorReturnCode as error:
            self._cancel.sleep(_SIGNAL_SECONDS)  # Ctrl-C ends the program and, in a thread of its own, this run
            return int(error.exit_code)
        return 0

    def _wait(self, process: Any, timeout: float) -> bool:
        """Wait for the end; False if it had to be ended. (sh's own `_timeout` polls, which costs 0.1 s a call.)"""
        import sh

        late, over = threading.Event(), threading.Event()

        def end() -> None:
            late.set()
            _end(process, over, self._grace)

        timer = threading.Timer(timeout, end)
        timer.daemon = True
        timer.start()
        # In a thread of its own: whoever cancels doesn't wait for programs.
        unsubscribe = self._cancel.subscribe(
            lambda: threading.Thread(target=_end, args=(process, over, self._grace), daemon=True).start()
        )
        try:
            process.wait()
        except sh.ErrorReturnCode:
            pass  # the caller says which codes are fine
        except BaseException:  # whatever it is, nobody waits for the program any more
            _end(process, over, self._grace)
            raise
        finally:
            over.set()
            timer.cancel()
            unsubscribe()
        self._cancel.check()
        return not late.is_set()


_PRINTED: WeakKeyDictionary[Runner, dict[tuple[str, ...], str]] = WeakKeyDictionary()


def run_once(
    runner: Runner, argv: Sequence[str | Path], *, timeout: float, env: Mapping[str, str] | None = None
) -> str:
    """What a program prints that prints the same each time: it is started once a run, which is once a runner.

    Raises as `run` does; what failed is started again.
    """
    printed, words = _PRINTED.setdefault(runner, {}), tuple(map(str, argv))
    if words not in printed:
        printed[words] = runner.run(argv, timeout=timeout, env=env).stdout
    return printed[words]


class Background:
    """A program that runs beside this process until it is stopped; `on_line` gets each line that it prints.

    `env` is laid over a copy of this process' own. On Linux it gets SIGINT where this process is killed; elsewhere it
    lives on then.
    Raises MachineError where the program isn't there.
    """

    def __init__(
        self, argv: Sequence[str | Path], on_line: Callable[[str], None], *, env: Mapping[str, str] | None = None
    ) -> None:
        self._ended = threading.Event()
        self._process = _command(str(argv[0]))(
            *map(str, argv[1:]),
            _done=lambda *_: self._ended.set(),
            _err_to_out=True,
            _in="",
            _out=_Listener(on_line),
            **_settings(env, signal.SIGINT),
        )
        self.pid = int(self._process.pid)

    def wait(self, seconds: float) -> int | None:
        """Its exit code once it has ended, None where it still runs after so long."""
        return int(self._process.process.exit_code) if self._ended.wait(seconds) else None

    def signal(self, number: int) -> None:
        """Send a signal to it and its children."""
        with suppress(ProcessLookupError):  # it ended by itself
            self._process.signal_group(number)


class _Listener:
    """Hands on each line. An error there must not end the thread that reads: the program would wait for it for ever."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._error: Exception | None = None

    def __call__(self, line: str) -> None:
        if self._error is None:
            try:
                self._on_line(line.rstrip("\n"))
            except Exception as error:  # raised by check, in the thread of the caller
                self._error = error

    def check(self) -> None:
        if self._error:
            raise self._error


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last lines of what a program printed: where programs say why they failed."""
    return "\n".join(text.strip().splitlines()[-lines:])


def _end(process: Any, over: threading.Event, grace: float) -> None:
    """Ask a program and its children to stop, and kill them where they don't."""
    with suppress(ProcessLookupError):  # it ended by itself
        process.signal_group(signal.SIGTERM)
        if not over.wait(grace):
            process.signal_group(signal.SIGKILL)


def _command(program: str) -> Any:
    import sh

    try:
        return sh.Command(program)
    except sh.CommandNotFound as missing:
        raise MachineError(
            f"{program} isn't on this machine", remedy="`invoke doctor` says how to install what is missing"
        ) from missing


def _settings(env: Mapping[str, str] | None, with_parent: signal.Signals) -> dict[str, Any]:
    """sh's, for every program that nobody attends; `with_parent` is what it gets on Linux where this process dies."""

    def follow() -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, with_parent)

    return {
        "_bg": True,
        "_bg_exc": False,
        "_decode_errors": "replace",
        "_env": {**os.environ, **(env or {})},
        "_new_group": True,
        "_preexec_fn": follow if sys.platform == "linux" else None,
        "_return_cmd": True,
        "_tty_out": False,
    }
