"""What can be seen, from this machine, of a virtual machine that a program couldn't reach."""

from __future__ import annotations

import platform
import re

from canarylab.errors import CanarylabError, CancelledError
from canarylab.tools.runner import Runner

PING_ANSWERS = "ping answers"
"""The virtual machine is up and on its network, so whoever can't reach it is kept from it."""
PING_FAILS = "ping fails"
MACOS, MACOS_15 = "macOS", "macOS 15"
_ASKS_SINCE = 15
"""The macOS from which on an app needs the permission for the local network."""
_ADDRESS = re.compile(r"(\d+\.\d+\.\d+\.\d+)(?::| port )\d+: (?:connect: )?no route to host", re.IGNORECASE)
"""As Go and as ssh say it."""


def system_facts() -> frozenset[str]:
    """Which system this is, as far as causes of trouble depend on it."""
    if platform.system() != "Darwin":
        return frozenset()
    first = platform.mac_ver()[0].split(".")[0]
    is_asking = first.isdigit() and int(first) >= _ASKS_SINCE
    return frozenset({MACOS, *([MACOS_15] if is_asking else [])})


def seen(runner: Runner, said: str) -> frozenset[str]:
    """The system's facts, and whether the machine that `said` names answers now; neither where that can't be tried."""
    found = _ADDRESS.search(said)
    return system_facts() | (ping(runner, found[1]) if found else frozenset())


def ping(runner: Runner, address: str) -> frozenset[str]:
    """One of the two facts; none where it can't be tried."""
    limit = ["-t", "2"] if platform.system() == "Darwin" else ["-w", "2"]
    try:
        code = runner.run(["ping", "-n", "-c", "1", *limit, address], timeout=10, ok=range(256)).code
    except CancelledError:
        raise
    except CanarylabError:
        return frozenset()
    return frozenset({PING_FAILS if code else PING_ANSWERS})
