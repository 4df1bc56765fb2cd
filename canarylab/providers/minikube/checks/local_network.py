"""macOS 15 and later: an app needs a permission for the local network, and a virtual machine is on one."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator

from canarylab.contract.provider import Finding
from canarylab.providers.minikube import vm
from canarylab.providers.minikube.checks.host import Host
from canarylab.providers.minikube.reachability import PING_ANSWERS, ping

_SINCE = 15
_LEASES = "/var/db/dhcpd_leases"
_SSH = 22
_EXEMPT = "Apple_Terminal"
"""macOS' own Terminal is never asked, as a part of the system."""
_SUBJECT = "Local Network"
_SETTINGS = (
    "open 'x-apple.systempreferences:com.apple.preference.security?Privacy_LocalNetwork'\n"
    "switch on the app this terminal is in, then quit and open it again"
)


def leased(leases: str) -> set[str]:
    """The addresses in bootpd's file of leases."""
    return set(re.findall(r"^\s*ip_address=(\S+)", leases, re.MULTILINE))


def local_network(host: Host) -> Iterator[Finding]:
    """It can't be asked for, only seen: a virtual machine that has a lease, and still can't be reached."""
    if not host.needs_dhcp or host.macos < _SINCE:
        return
    reached = [(profile, address, host.connect(address, _SSH)) for profile, address in _machines(host)]
    refused = [each for each in reached if each[2] == errno.EHOSTUNREACH]
    if refused:
        yield _refused(host, *refused[0][:2])
    elif any(failure in (0, errno.ECONNREFUSED) for _, _, failure in reached):
        yield Finding(_SUBJECT, True, f"{reached[0][1]} (profile {reached[0][0]}) is reached")
    elif os.environ.get("TERM_PROGRAM") == _EXEMPT:
        yield Finding(_SUBJECT, True, "Terminal needs no permission")
    else:
        seen = (
            f"can't be known before a virtual machine runs: macOS asks for {_app()} then; without the permission "
            "there is `no route to host`"
        )
        yield Finding(_SUBJECT, False, seen, _SETTINGS, fatal=False)


def _refused(host: Host, profile: str, address: str) -> Finding:
    """Only of a machine that answers a ping is it known that it's the app that isn't let through."""
    seen = f"{address} (profile {profile}) runs and has its lease, yet: no route to host; "
    if PING_ANSWERS in ping(host.ctx.runner, address):
        return Finding(
            _SUBJECT, False, f"{seen}it answers a ping, so {_app()} may not reach the local network", _SETTINGS
        )
    seen += f"the likeliest causes: {_app()} may not reach the local network, or the machine is too busy to answer"
    return Finding(_SUBJECT, False, seen, _SETTINGS, fatal=False)


def _machines(host: Host) -> list[tuple[str, str]]:
    """Profile and address of each virtual machine that runs and has a lease."""
    file = host.file(_LEASES)
    if not file.is_file() or not (vm.home() / "machines").is_dir():
        return []
    known = leased(file.read_text())
    there = [each for each in host.profiles().values() if known.intersection(each.addresses) and host.runs(each)]
    return [(profile.name, address) for profile in there for address in profile.addresses if address in known]


def _app() -> str:
    name = os.environ.get("TERM_PROGRAM")
    return f"the app of this terminal ({name})" if name else "the app of this terminal"
