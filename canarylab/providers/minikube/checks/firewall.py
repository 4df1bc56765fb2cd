"""macOS' application firewall: it may keep the DHCP server, bootpd, from answering the virtual machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from canarylab.contract.provider import Finding
from canarylab.providers.minikube.checks.host import Host

_FOLDER = "/usr/libexec/ApplicationFirewall"
_BOOTPD = "/usr/libexec/bootpd"
_MANAGED = "managed Mac"
"""From "Firewall settings cannot be modified from command line on managed Mac computers", which ends with 0."""
_ALLOWS_BUILT_IN = 15
"""From this macOS on, what allows built-in software allows bootpd, which then isn't listed (minikube#20399)."""
_SIGN = "the virtual machine would get no address, and minikube wait two minutes for it: `could not find an IP address`"


@dataclass(frozen=True)
class Firewall:
    """`bootpd`: whether it is listed as allowed; None, it isn't listed."""

    on: bool
    blocks_all: bool
    allows_built_in: bool
    bootpd: bool | None
    managed: bool


def parse(state: str, block_all: str, allow_signed: str, apps: str) -> Firewall:
    """What socketfilterfw prints for --getglobalstate, --getblockall, --getallowsigned and --listapps."""
    number = re.search(r"State = (\d)", state)
    all_blocked = block_all.lower()
    return Firewall(
        on=number.group(1) != "0" if number else "is enabled" in state,
        blocks_all=(number is not None and number.group(1) == "2")
        or ("disabled" not in all_blocked and ("enabled" in all_blocked or "set to block all" in all_blocked)),
        allows_built_in=bool(re.search(r"built-in.*\bENABLED", allow_signed)),
        bootpd=_listed(apps),
        managed=_MANAGED in f"{state}{block_all}{allow_signed}{apps}",
    )


def _listed(apps: str) -> bool | None:
    """`1 : /usr/libexec/bootpd`, and below it `( Allow incoming connections )`, with or without those spaces."""
    found = re.search(rf":\s*{re.escape(_BOOTPD)}\s*\n\s*\(\s*(Allow|Block)", apps)
    return found.group(1) == "Allow" if found else None


def firewall(host: Host) -> Iterator[Finding]:
    """Whether bootpd gets through; nothing where the virtual machine doesn't need it."""
    if not host.needs_dhcp:
        return
    program = host.program("socketfilterfw", _FOLDER)
    if program is None:
        return
    flags = ("--getglobalstate", "--getblockall", "--getallowsigned", "--listapps")
    answers = (host.ask(program, flag) for flag in flags)
    state = parse(*(answer.stdout + answer.stderr for answer in answers))
    yield judge(state, str(program), host.macos)


def judge(state: Firewall, program: str, macos: int) -> Finding:
    """What that firewall means for a virtual machine's DHCP."""
    if not state.on:
        seen = "can't be read: this Mac is managed" if state.managed else "off"
        return Finding("firewall", True, seen)
    if state.blocks_all:
        remedy = _administrator if state.managed else f"sudo {program} --setblockall off"
        return Finding("firewall", False, f"blocks all incoming connections, bootpd's too: {_SIGN}", remedy)
    if state.bootpd or (state.bootpd is None and state.allows_built_in and macos >= _ALLOWS_BUILT_IN):
        return Finding("firewall", True, "on; bootpd is allowed")
    seen = f"on, and bootpd is {'blocked' if state.bootpd is False else 'not on its list'}: {_SIGN}"
    fatal = state.bootpd is False or not state.allows_built_in
    if state.managed:
        return Finding("firewall", False, seen, _administrator, fatal=fatal)
    # Added first: what isn't on the list can't be unblocked.
    both = (f"{program} --add {_BOOTPD}", f"{program} --unblock {_BOOTPD}")
    remedy = "\n".join(f"sudo {each}" for each in both)
    return Finding("firewall", False, seen, remedy, fatal, ("sh", "-c", " && ".join(both)), needs_root=True)


_administrator = (
    f"this Mac is managed, and its firewall can't be changed here: ask its administrator to allow {_BOOTPD}"
)
