"""supervisord, one a profile: keeps the machine and the tunnel running after the terminal is gone.

It is asked over its own socket, in a folder that only its user can enter. What answers there under our identifier is
ours; a process id from a file is never trusted by itself.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import xmlrpc.client
from collections.abc import Mapping, Sequence
from configparser import RawConfigParser
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from io import StringIO
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from canarylab.cancel import Cancel, wait_until
from canarylab.errors import StageError
from canarylab.files import NO_ROOM, write_private
from canarylab.tools.runner import Runner

_SOCKET = "supervisor.sock"
_LONGEST_SOCKET = 99
"""Bytes: the kernel's 107 (unix(7)), less the process id that supervisord adds while it begins to listen."""
_START_SECONDS = 15.0
_STOP_SECONDS = 20.0
_ENDING_SECONDS = 40.0
"""How long one may take that is ending already: more than the `stop_seconds` of any of its programs."""
_NO_ANSWER = (OSError, HTTPException, ExpatError, xmlrpc.client.Error)
"""Nobody there, somebody who doesn't speak as supervisord does, or a supervisord that says no."""
_SHUTTING_DOWN = 6
"""supervisord's fault for whatever it is asked while it ends its programs (supervisor/xmlrpc.py, Faults)."""
_NOT_RUNNING = {"STOPPED", "EXITED", "FATAL", "UNKNOWN", "BACKOFF"}


@dataclass(frozen=True)
class Program:
    """A program to keep running: started again whenever it ends.

    What is in the environment can't hold quotation marks or backslashes: supervisord has no way to write them.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_seconds: int = 10


class Supervisor:
    """The supervisord of one profile, whose files lie in `folder`."""

    def __init__(self, profile: str, folder: Path, runner: Runner) -> None:
        self.identifier = f"canarylab-{profile}"
        self.folder = folder
        self._runner = runner
        self.socket = folder / _SOCKET
        self.config = folder / "supervisord.conf"

    @property
    def _argv(self) -> list[str | Path]:
        return [sys.executable, "-m", "supervisor.supervisord", "-c", self.config]

    @property
    def _rpc(self) -> Any:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def pid(self) -> int | None:
        """The process id of our supervisord, None where none answers under our identifier."""
        with suppress(*_NO_ANSWER):
            if self.socket.exists() and self._rpc.getIdentification() == self.identifier:
                return int(self._rpc.getPID())
        return None

    def start(self, program: Program, cancel: Cancel) -> None:
        """Keep `program` running from now on; an older definition of the same name is replaced."""
        wanted = self._section(program)
        parser, name = self._read(), f"program:{program.name}"
        if not parser.has_section(name) or dict(parser.items(name)) != wanted:
            parser[name] = wanted
            self._write(parser)
        self._await_answer(cancel)
        if self.pid() is None:
            self._daemonize(cancel)
        elif program.name in self._outdated():
            self._unload(program.name)
            self._rpc.addProcessGroup(program.name)
        elif not self.is_running(program.name):
            with suppress(xmlrpc.client.Fault):  # it may have come up in between: the check below decides
                self._rpc.startProcess(program.name, False)
        deadline = cancel.now() + _START_SECONDS
        if not wait_until(lambda: self.is_running(program.name), deadline=deadline, cancel=cancel):
            raise StageError(
                f"{program.name} doesn't stay up",
                where=str(self.log(program.name)),
                why=self._last_words(program.name),
                remedy="that file has all its words; `invoke doctor` looks at this machine, `invoke up` tries again",
            )

    def _await_answer(self, cancel: Cancel) -> None:
        """Raise StageError where one may run that doesn't answer: none is started beside it."""

        def is_known() -> bool:
            return self.pid() is not None or self._is_gone()

        if not wait_until(is_known, deadline=cancel.now() + _ENDING_SECONDS, cancel=cancel):
            raise StageError(
                "a supervisord of this profile may still run, and it doesn't answer",
                where=str(self.socket),
                remedy=f"`pgrep -af {self.config}` shows it; once it has ended, run this again",
            )

    def _is_gone(self) -> bool:
        """Whether none of ours can be behind the socket: what can't be asked now, or is ending, may be one."""
        try:
            return bool(self._rpc.getIdentification() != self.identifier)
        except xmlrpc.client.Fault as fault:
            return fault.faultCode != _SHUTTING_DOWN
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError, HTTPException):
            return True
        except OSError:
            return False
        except (ExpatError, xmlrpc.client.Error):
            return True

    def is_running(self, name: str) -> bool:
        """Whether a program of that name is up."""
        return self.process(name) is not None

    def process(self, name: str) -> int | None:
        """The process id of a program that is up, else None."""
        if self.pid() is None:
            return None
        try:
            info = self._rpc.getProcessInfo(name)
        except _NO_ANSWER:
            return None
        return int(info["pid"]) if info["statename"] not in _NOT_RUNNING and info["pid"] else None

    def stop(self, name: str) -> bool:
        """Stop a program for good; False where it wasn't there."""
        parser = self._read()
        known = parser.remove_section(f"program:{name}")
        if known:
            self._forget(parser)
        if self.pid() is None:
            return known
        with suppress(xmlrpc.client.Fault):
            self._rpc.reloadConfig()
        self._unload(name)
        return known

    def _forget(self, parser: RawConfigParser) -> None:
        """Without room for the file, the program is ended all the same; a later start writes the file anew."""
        try:
            self._write(parser)
        except OSError as error:
            if error.errno not in (*NO_ROOM, errno.EROFS):
                raise

    def shutdown(self, cancel: Cancel) -> bool:
        """Stop everything and the supervisor itself; False where there was none."""
        self._await_answer(cancel)  # one that is ending still ends its programs
        pid = self.pid()
        if pid is None:
            return self._kill_unreachable()
        with suppress(*_NO_ANSWER):  # it may end before it has answered
            self._rpc.shutdown()
        if not wait_until(lambda: not _alive(pid), deadline=cancel.now() + _STOP_SECONDS, cancel=cancel):
            what, remedy = f"supervisord {pid} doesn't stop", f"`kill -9 {pid}` ends it; then run this again"
            raise StageError(what, where=str(self._own_log), remedy=remedy)
        return True

    def _kill_unreachable(self) -> bool:
        """End a supervisord that doesn't answer, its folder deleted by hand: its command line names our file."""
        argv = [str(word).encode() for word in self._argv]
        found = False
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended meanwhile
                if (process / "cmdline").read_bytes().split(b"\0")[:-1] == argv:
                    os.kill(int(process.name), signal.SIGKILL)
                    found = True
        return found

    @property
    def _own_log(self) -> Path:
        return self.folder / "logs" / "supervisord.log"

    def log(self, name: str) -> Path:
        """Where a program's output is written."""
        return self.folder / "logs" / f"{name}.log"

    def _last_words(self, name: str) -> str:
        log = self.log(name)
        return "\n".join(log.read_text(errors="replace").splitlines()[-10:]) if log.exists() else "it printed nothing"

    def _daemonize(self, cancel: Cancel) -> None:
        self._kill_unreachable()  # it would keep a second machine or tunnel beside the new one
        self.socket.unlink(missing_ok=True)
        # It puts itself into the background, away from this process and its terminal.
        self._runner.run(self._argv, cwd=Path("/"), timeout=_START_SECONDS)
        deadline = cancel.now() + _START_SECONDS
        if not wait_until(lambda: self.pid() is not None, deadline=deadline, cancel=cancel, interval=0.02):
            remedy = "that file says why; `invoke doctor` looks at this machine, `invoke up` tries again"
            raise StageError("supervisord doesn't answer", where=str(self._own_log), remedy=remedy)

    def _outdated(self) -> list[str]:
        """What the file defines otherwise than it runs. Asked of supervisord: a killed run may have left it so."""
        [[added, changed, _]] = self._rpc.reloadConfig()
        return [*added, *changed]

    def _unload(self, name: str) -> None:
        """End a program that may run, may have ended or may never have been loaded."""
        for end in (self._rpc.stopProcess, self._rpc.removeProcessGroup):
            with suppress(xmlrpc.client.Fault):
                end(name)

    def _section(self, program: Program) -> dict[str, str]:
        return {
            "command": " ".join(_quote(word) for word in program.argv),
            "environment": ",".join(f"{key}={_quote(value)}" for key, value in sorted(program.environment.items())),
            "autorestart": "true",
            "startsecs": "1",  # what ends sooner is started again after a pause that grows
            "startretries": "1000000",
            "stopsignal": program.stop_signal,
            "stopwaitsecs": str(program.stop_seconds),
            "redirect_stderr": "true",
            "stdout_logfile": _path(_path(self.log(program.name))),
            "stdout_logfile_maxbytes": "5MB",
            "stdout_logfile_backups": "1",
        }

    def _read(self) -> RawConfigParser:
        parser = RawConfigParser(delimiters=("=",), inline_comment_prefixes=None)
        parser.read(self.config)
        return parser

    def _write(self, parser: RawConfigParser) -> None:
        parser["unix_http_server"] = {"file": _path(self.socket), "chmod": "0600"}
        parser["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        parser["supervisord"] = {
            "identifier": self.identifier,
            "pidfile": _path(self.folder / "supervisord.pid"),
            "logfile": _path(self.folder / "logs" / "supervisord.log"),
            "logfile_maxbytes": "5MB",
            "logfile_backups": "1",
            "nocleanup": "true",
            **({"user": "root"} if os.geteuid() == 0 else {}),
        }
        text = StringIO()
        parser.write(text)
        write_private(self.config, text.getvalue())


def unfit(folder: Path) -> str:
    """Why a supervisor can't have its files in a folder of that name; "" where it can."""
    name, socket = str(folder), os.fsencode(folder / _SOCKET)
    if any(mark in name for mark in (" ;", "\t;", " #", "\t#", "\n", "\r")):
        return "a `;` or `#` after a space begins a comment in supervisord's file, and a line has to be one"
    if len(socket) > _LONGEST_SOCKET:
        return f"the socket in it has a path of {len(socket)} bytes, and {_LONGEST_SOCKET} is the most"
    return ""


def _path(path: str | Path) -> str:
    """supervisord expands %(...)s in paths, too; in those of a program twice."""
    return str(path).replace("%", "%%")


def _quote(word: str) -> str:
    """supervisord splits like a shell and expands %(...)s: percent signs are doubled."""
    return '"' + word.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"') + '"'


def _alive(pid: int) -> bool:
    """Whether it runs. One that has ended stays as a zombie where the first process of a container reaps nothing."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc, or it ended just now
        return not Path("/proc/self").exists()
    return state != "Z"
