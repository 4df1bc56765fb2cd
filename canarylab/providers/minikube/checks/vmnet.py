"""macOS' virtual network (vmnet): what it said to those that asked for one, and whether Internet Sharing has it.

socket_vmnet's daemon and vmnet-helper ask for it; only their logs say how that went.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator
from pathlib import Path
from xml.parsers.expat import ExpatError

from canarylab.contract.provider import Finding
from canarylab.providers.minikube import vm
from canarylab.providers.minikube.checks.host import Host, system_file

_SOCKETS = tuple(f"{prefix}/var/run/socket_vmnet" for prefix in ("", "/opt/homebrew", "/usr/local"))
_HELPER_LOG = "vmnet-helper.log"
"""In the machine's folder (minikube: pkg/drivers/common/vmnet)."""
_SHARING = "/Library/Preferences/SystemConfiguration/com.apple.nat.plist"
_BEGINS = "Initializing vmnet.framework"
"""What socket_vmnet says first at each start."""
_REFUSAL = re.compile(r".*(?:vmnet_return_t|vmnet_start_interface).*")
_LEFT = 4096
"""Bytes at a log's end that are looked at."""
SHARING_SETTINGS = "System Settings > General > Sharing > Internet Sharing: off"


def log_beside(socket: Path) -> Path:
    """The log of the daemon of this socket, as Homebrew's formula has it, and socket_vmnet's own launchd file."""
    return socket.parents[1] / "log" / "socket_vmnet" / "stderr"


def refusal(log: Path, since: float = 0.0) -> str:
    """What vmnet said at the daemon's last start, in the log's own words; "" where it didn't refuse.

    `since` is a time in seconds since 1970: a log that was last written before it is about an earlier start.
    """
    try:
        if log.stat().st_mtime < since:
            return ""
        said = log.read_bytes()[-_LEFT:].decode(errors="replace")
    except OSError:
        return ""
    refused = _REFUSAL.findall(said.rpartition(_BEGINS)[2])
    return str(refused[-1]).strip() if refused else ""


def shares_internet() -> bool:
    """Whether Internet Sharing is switched on; False where it can't be read."""
    try:
        settings = plistlib.loads(system_file(_SHARING).read_bytes())
        return bool(settings["NAT"]["Enabled"])
    except (OSError, ValueError, KeyError, TypeError, ExpatError):
        return False


def hints(profile: str) -> list[str]:
    """What explains a start that failed for want of a network: refusals in logs, and that Internet Sharing is on."""
    sockets = [socket for socket in map(system_file, _SOCKETS) if socket.exists()]
    said = [refusal(log_beside(socket), since=socket.stat().st_mtime) for socket in sockets]
    refused = [*filter(None, [*said, refusal(vm.home() / "machines" / profile / _HELPER_LOG)])]
    return [*refused, "Internet Sharing is on"] if refused and shares_internet() else refused


def internet_sharing(host: Host) -> Iterator[Finding]:
    """For drivers that ask for the network themselves; socket_vmnet's daemon has asked, and says how that went."""
    if host.needs_dhcp and not host.needs_socket_vmnet and shares_internet():
        seen = "is on: macOS has been seen to refuse virtual machines a network beside it (kubernetes/minikube#12840)"
        yield Finding("Internet Sharing", False, seen, SHARING_SETTINGS, fatal=False)
