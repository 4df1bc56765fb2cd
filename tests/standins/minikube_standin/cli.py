"""The command line: which command, with which flags, on which profile."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from . import calls
from .errors import UNKNOWN, Exit, Killed, StandinError
from .flags import Flag, Parsed, UsageError, parse
from .home import Home
from .machines import Machines

_USAGE = 14
Run = Callable[[Home, str, Parsed], int]


@dataclass(frozen=True)
class Command:
    """A command's flags, and what it does. Imported when it is asked for: most need no cluster."""

    flags: Mapping[str, Flag]
    run: Run


def _start() -> Command:
    from . import start

    return Command(start.FLAGS, lambda home, profile, flags: start.Start(home, profile, flags).run())


def _status() -> Command:
    from . import status

    return Command(status.STATUS_FLAGS, status.status)


def _profile() -> Command:
    from . import status

    return Command({}, status.profile)


def _profile_list() -> Command:
    from . import status

    return Command(status.LIST_FLAGS, lambda home, _profile, flags: status.profile_list(home, flags))


def _image(action: str) -> Callable[[], Command]:
    def command() -> Command:
        from . import images

        flags = {"build": images.BUILD_FLAGS, "load": images.LOAD_FLAGS, "save": images.SAVE_FLAGS}
        known = {**flags, "ls": images.LIST_FLAGS, "rm": {}}[action]

        def run(home: Home, profile: str, parsed: Parsed) -> int:
            act: Callable[[Parsed], int] = getattr(images.Images(home, profile), action)
            return act(parsed)

        return Command(known, run)

    return command


def _addons(action: str) -> Callable[[], Command]:
    def command() -> Command:
        from . import addons

        if action == "enable":
            return Command(addons.ENABLE_FLAGS, addons.enable)
        return Command(addons.LIST_FLAGS, addons.list_addons)

    return command


def _lifecycle(action: str) -> Callable[[], Command]:
    def command() -> Command:
        from . import lifecycle

        flags = {"stop": lifecycle.STOP_FLAGS, "delete": lifecycle.DELETE_FLAGS}
        return Command(flags.get(action, lifecycle.PAUSE_FLAGS), getattr(lifecycle, action))

    return command


def _tunnel() -> Command:
    from . import tunnel

    return Command(tunnel.FLAGS, tunnel.run)


def _simple(action: str) -> Callable[[], Command]:
    def command() -> Command:
        from . import simple

        runs: dict[str, Command] = {
            "version": Command(simple.VERSION_FLAGS, lambda _home, _profile, flags: simple.version(flags)),
            "ip": Command(simple.NODE_FLAG, lambda home, profile, _flags: simple.ip(home, profile)),
            "ssh": Command(simple.SSH_FLAGS, simple.ssh),
            "config": Command({}, lambda home, _profile, flags: simple.config(home, flags)),
            "node": Command({}, simple.node),
            "kubectl": Command({}, simple.kubectl),
            "update-context": Command({}, lambda home, profile, _flags: simple.update_context(home, profile)),
        }
        return runs[action]

    return command


_COMMANDS: dict[str, Callable[[], Command]] = {
    "start": _start,
    "status": _status,
    "profile": _profile,
    "profile list": _profile_list,
    "tunnel": _tunnel,
    "addons list": _addons("list"),
    "addons enable": _addons("enable"),
    **{f"image {name}": _image(name) for name in ("build", "ls", "load", "save", "rm")},
    "image list": _image("ls"),
    **{name: _lifecycle(name) for name in ("stop", "delete", "pause", "unpause")},
    **{name: _simple(name) for name in ("version", "ip", "ssh", "config", "node", "kubectl", "update-context")},
}
_GROUPS = ("image", "addons")
_UNTAUGHT = (
    *("cache", "completion", "cp", "dashboard", "docker-env", "help", "license", "logs", "mount", "options"),
    *("podman-env", "service", "ssh-host", "ssh-key", "update-check"),
)
"""Commands of minikube that the stand-in doesn't know."""


def main(argv: Sequence[str], machines: Machines | None = None) -> int:
    """Run one command line; its exit code. 99: the stand-in was asked something that it doesn't know.

    Without `machines`, those of the program: a process and the embedded node. Raises Killed where a fault wants it.
    """
    calls.note("minikube", argv)
    try:
        return _run(list(argv), machines)
    except Exit as end:
        return end.code
    except UsageError as error:
        print(error, file=sys.stderr)
        return _USAGE
    except Exception:  # the tool must not take it for an answer of minikube's
        traceback.print_exc()
        return UNKNOWN


def _run(words: list[str], machines: Machines | None) -> int:
    leading, words = _leading(words)
    if not words:
        raise StandinError("minikube without a command")
    name = words.pop(0)
    if words and (name in _GROUPS or f"{name} {words[0]}" in _COMMANDS):
        name = f"{name} {words.pop(0)}"
    if name not in _COMMANDS:
        if name.split()[0] in (*_UNTAUGHT, *_GROUPS):
            raise StandinError(f"minikube {name}: the stand-in doesn't know this command")
        from .simple import unknown

        raise unknown(name)
    command = _COMMANDS[name]()
    flags = parse([*leading, *words], command.flags, name)
    home = Home.here(machines)
    return command.run(home, flags.get("profile") or home.active_profile(), flags)


def _leading(words: list[str]) -> tuple[list[str], list[str]]:
    """Global flags before the command, as in `minikube -p NAME start`; and the rest."""
    leading: list[str] = []
    while words and words[0].startswith("-"):
        word = words.pop(0)
        leading.append(word)
        if word in ("-p", "--profile", "-v", "--v", "--user") and words:
            leading.append(words.pop(0))
    return leading, words


def run() -> None:
    """The program."""
    try:
        code = main(sys.argv[1:])
    except Killed:
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # at once: threads of the client must not hold it up
