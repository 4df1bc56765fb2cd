"""sudo, as far as asking goes. With the fault `sudo-password` a password is needed, and remembered for a while.

As sudo does it by default (timestamp_type=tty), it is remembered for the terminal; a program without a terminal has a
record of its own for each parent process. So what was allowed at the terminal isn't for a background process' children.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from . import calls, faults

_WITH_VALUE = ("-p", "--prompt", "-u", "--user", "-g", "--group")
_KNOWN = ("-n", "-S", "-v", "-k", "-K", "-A", "-E", "-H", "--non-interactive", "--stdin", "--validate")
_TRIES = 3
_REFUSED = 1


def main(argv: Sequence[str]) -> int:
    """Run one sudo; the program takes its place."""
    calls.note("sudo", argv)
    options, command = _split(list(argv))
    ticket = _Ticket()
    if {"-k", "-K"} & options:
        ticket.drop()
        if not command:
            return 0
    if faults.on("sudo-denied"):
        user = os.environ.get("USER", "user")
        sys.stderr.write(f"{user} is not in the sudoers file.\nThis incident has been reported to the administrator.\n")
        return _REFUSED
    if faults.on("sudo-password") and not ticket.is_valid() and not _ask(options):
        return _REFUSED
    ticket.renew()
    return _run(command) if command else 0


def _split(words: list[str]) -> tuple[set[str], list[str]]:
    """sudo's own options, and the command."""
    long_names = {"--non-interactive": "-n", "--stdin": "-S", "--validate": "-v"}
    options = set()
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "--":
            break
        if word in _WITH_VALUE:
            words.pop(0)
        elif word in _KNOWN:
            options.add(long_names.get(word, word))
        elif not word.startswith(_WITH_VALUE):
            raise SystemExit(f"the stand-in for sudo doesn't know {word}")
    return options, words


def _ask(options: set[str]) -> bool:
    if "-n" in options:
        sys.stderr.write("sudo: a password is required\n")
        return False
    if "-S" in options:
        return _password_from(sys.stdin)
    try:
        with Path("/dev/tty").open() as terminal:
            return _password_from(terminal)
    except OSError:
        sys.stderr.write(
            "sudo: a terminal is required to read the password; either use the -S option to read from standard input "
            "or configure an askpass helper\nsudo: a password is required\n"
        )
        return False


def _password_from(source: IO[str]) -> bool:
    wanted = os.environ.get("STANDIN_SUDO_PASSWORD", "secret")
    for attempt in range(_TRIES):
        sys.stderr.write("Password:")
        sys.stderr.flush()
        said = source.readline()
        if said.rstrip("\n") == wanted:
            return True
        if not said:
            sys.stderr.write("\nsudo: no password was provided\nsudo: a password is required\n")
            return False
        if attempt < _TRIES - 1:
            sys.stderr.write("Sorry, try again.\n")
    sys.stderr.write(f"sudo: {_TRIES} incorrect password attempts\n")
    return False


def _run(command: list[str]) -> int:
    environment = {**os.environ, "SUDO_USER": os.environ.get("USER", "user"), "SUDO_UID": "501"}
    with suppress(FileNotFoundError):
        os.execvpe(command[0], command, environment)
    sys.stderr.write(f"sudo: {command[0]}: command not found\n")
    return _REFUSED


class _Ticket:
    """That a password was given: a file beside the faults, for this terminal or this parent process."""

    def __init__(self) -> None:
        folder = Path(os.environ.get("STANDIN_FAULTS", "/nonexistent/faults")).parent
        self._file = folder / f"sudo-{_terminal() or os.getppid()}"

    def is_valid(self) -> bool:
        seconds = float(os.environ.get("STANDIN_SUDO_SECONDS", "300"))
        with suppress(FileNotFoundError):
            return time.time() - self._file.stat().st_mtime < seconds
        return False

    def renew(self) -> None:
        with suppress(OSError):  # no faults, so no folder of theirs: nobody will ask
            self._file.touch()

    def drop(self) -> None:
        self._file.unlink(missing_ok=True)


def _terminal() -> str:
    """The controlling terminal's number; "" without one."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return "" if fields[4] == "0" else f"tty{fields[4]}"
