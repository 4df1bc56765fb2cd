"""socket_vmnet: installed, and its daemon answering. minikube itself only looks whether its files are there."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canarylab.contract.provider import Finding
from canarylab.providers.minikube.checks import vmnet
from canarylab.providers.minikube.checks.host import Host, command_line, fixable

_PREFIXES = ("", "/opt/homebrew", "/usr/local")
"""Where minikube looks, in this order (its `checkSocketVMNetInstallLocations`)."""
_SOCKET = "/var/run/socket_vmnet"
_CLIENT = "/opt/socket_vmnet/bin/socket_vmnet_client"
_SECONDS = 1.0
_HANGS_UP_SECONDS = 0.2
"""How long a daemon that can't go on has for hanging up."""
_DAEMON = "socket_vmnet daemon"
_LAUNCHD = "system/io.github.lima-vm.socket_vmnet"
"""What its own installer calls the service, where it isn't Homebrew's."""


@dataclass(frozen=True)
class Owner:
    """Whose a file is, and who may use it."""

    user: str
    group: str
    mode: str

    def __str__(self) -> str:
        return f"{self.user}:{self.group}, {self.mode}"


def socket_vmnet(host: Host) -> Iterator[Finding]:
    """The network that the playbook names: socket_vmnet's files and daemon, and that builtin reaches nothing."""
    if host.network == "builtin" and host.driver == "qemu2":
        seen = "builtin: this machine can't reach the virtual machine, so neither tunnel nor gateway work"
        yield Finding("network", False, seen, "in the playbook: cluster: {network: socket_vmnet}", fatal=False)
    if not host.needs_socket_vmnet:
        return
    client = _first(host, _CLIENT)
    if isinstance(client, Finding):
        yield client
        return
    if client is None:
        seen = "isn't installed: minikube would end with NOT_FOUND_SOCKET_VMNET"
        yield fixable("socket_vmnet", seen, host.brewed("install", "socket_vmnet"), "install Homebrew: https://brew.sh")
    else:
        yield Finding("socket_vmnet", True, str(client.parent.parent))
    yield _daemon(host, client)


def _first(host: Host, path: str) -> Path | Finding | None:
    """The first of minikube's places where the file is; where none is, a finding about a folder that can't be read."""
    closed = None
    for file in (host.file(prefix + path) for prefix in _PREFIXES):
        try:
            file.stat()
        except PermissionError:
            closed = closed or _closed(file)
        except OSError:
            continue
        else:
            return file
    return closed


def _closed(file: Path) -> Finding:
    """Seen as NOT_FOUND_SOCKET_VMNET although it is installed (kubernetes/minikube#16342, #15907)."""
    folder = next((each for each in reversed(file.parents) if not os.access(each, os.X_OK)), file.parent)
    seen = f"{file} can't be looked at: {folder} is closed for this user ({_owner(folder)})"
    return Finding("socket_vmnet", False, seen, f"sudo chmod 755 {folder}")


def _daemon(host: Host, client: Path | None) -> Finding:
    found = _first(host, _SOCKET)
    if isinstance(found, Finding):
        return found
    if found is None:
        return _service(host, client, "start", "doesn't run: there is no socket of it")
    failure = answers(found)
    owner = _owner(found)
    if failure == 0:
        return Finding(_DAEMON, True, f"answers at {found} ({owner})")
    if failure in (errno.EACCES, errno.EPERM):
        return _denied(found, owner)
    return _silent(host, client, found, owner, failure)


def answers(path: Path) -> int:
    """Connect as minikube's client does, and see that it isn't hung up on: 0, or the errno.

    Nothing is sent, so nothing reaches the network behind it.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(_SECONDS)
            client.connect(str(path))
            client.settimeout(_HANGS_UP_SECONDS)
            try:
                return 0 if client.recv(1) else errno.ECONNRESET
            except TimeoutError:
                return 0  # it waits for frames, as it should
    except TimeoutError:
        return errno.ETIMEDOUT
    except OSError as error:
        return error.errno or errno.EIO


def _owner(path: Path) -> Owner:
    status = path.stat()
    user, group = _name(pwd.getpwuid, status.st_uid), _name(grp.getgrgid, status.st_gid)
    return Owner(user, group, stat.filemode(status.st_mode))


def _name(look_up: Callable[[int], tuple[Any, ...]], number: int) -> str:
    """Of a user or a group; the number itself where the system has no name for it."""
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)


def _denied(path: Path, owner: Owner) -> Finding:
    """Made for a group that this user isn't in (kubernetes/minikube#17615, lima-vm/socket_vmnet#8)."""
    seen = f'Failed to connect to "{path}": Permission denied; it is {owner}, and this user is neither'
    group = grp.getgrgid(os.getgid()).gr_name
    return fixable(_DAEMON, seen, ("chown", f"root:{group}", str(path)), sudo=True)


def _silent(host: Host, client: Path | None, path: Path, owner: Owner, failure: int) -> Finding:
    """minikube takes the file for a daemon, and creates a virtual machine that gets no network."""
    seen = f'Failed to connect to "{path}": {os.strerror(failure)}'
    if failure == errno.ECONNREFUSED:
        seen += "; the file is what a daemon left that ended"
    if other := _hidden(host, path):
        seen += f"; minikube takes it before {other}, which answers"
        return fixable(_DAEMON, seen, ("rm", str(path)), sudo=True)
    if owner.user != "root":
        seen += f"; it was started by {owner.user}, without sudo, and macOS gives its network to root only"
    elif refused := vmnet.refusal(vmnet.log_beside(path), since=path.stat().st_mtime):
        return _refused(host, client, path, refused)
    return _service(host, client, "restart", seen)


def _refused(host: Host, client: Path | None, path: Path, refused: str) -> Finding:
    """macOS gave it no network, so it ended (lima-vm/socket_vmnet#7). Starting it again is no remedy by itself."""
    restart = _service(host, client, "restart", "").remedy
    seen = f"macOS refused it a network: {vmnet.log_beside(path)} says `{refused}`"
    if vmnet.shares_internet():
        seen += "; and Internet Sharing is on, which uses the same service of macOS (kubernetes/minikube#12840)"
        return Finding(_DAEMON, False, seen, f"{vmnet.SHARING_SETTINGS}\n{restart}")
    seen += "; Internet Sharing is off"
    return Finding(_DAEMON, False, seen, f"{restart}\nif that log says it again: restart the Mac, as vmnet is stuck")


def _hidden(host: Host, first: Path) -> Path | None:
    """A socket that does answer, at a place where minikube looks later."""
    others = (host.file(prefix + _SOCKET) for prefix in _PREFIXES)
    return next((each for each in others if each != first and each.exists() and answers(each) == 0), None)


def _service(host: Host, client: Path | None, verb: str, seen: str) -> Finding:
    """launchd keeps the daemon running, as set up by Homebrew or by its own installer."""
    if client is not None and client == host.file(_CLIENT):
        restart = ("launchctl", "kickstart", "-kp", _LAUNCHD)
        return fixable(_DAEMON, seen, restart, sudo=True)
    command = host.brewed("services", verb, "socket_vmnet")
    otherwise = command_line(("brew", "services", verb, "socket_vmnet"), sudo=True)
    return fixable(_DAEMON, seen, command, otherwise, sudo=True)
