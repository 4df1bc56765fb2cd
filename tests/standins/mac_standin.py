"""A Mac as `doctor` sees it, for machines that are none: what sw_vers, sysctl, netstat, socketfilterfw and brew answer.

`mac/` holds those that would be in the way on the PATH of a Linux.

The Mac is the JSON file that $STANDIN_MAC names, laid over HEALTHY; `brew` and `socketfilterfw` change it. Whatever
isn't known here ends with 99 and a traceback: a test must never pass because something was guessed.

Sources: sysctl(8), sw_vers(1) and netstat(1) of macOS; socketfilterfw's sentences as users pasted them (minikube#15960,
#19680, #20399); Homebrew's formulas for what they install where.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

UNKNOWN = 99
_HERE = Path(__file__).parent

HEALTHY: dict[str, Any] = {
    "macos": "15.3",
    "sysctl": {
        "hw.memsize": "17179869184",
        "hw.ncpu": "10",
        "hw.optional.arm64": "1",
        "hw.optional.arm.FEAT_SME": "0",
        "kern.hv_support": "1",
        "sysctl.proc_translated": "0",
    },
    "root": "/",
    "firewall": {"state": 0, "block_all": False, "allow_signed": True, "apps": {}, "managed": False},
    "routes": [
        ["default", "192.168.1.1", "UGScg", "en0"],
        ["127", "127.0.0.1", "UCS", "lo0"],
        ["192.168.1", "link#11", "UCS", "en0"],
    ],
    "services": {},
}

MACH_O_ARM64 = bytes.fromhex("cffaedfe0c000001") + bytes(24)
MACH_O_AMD64 = bytes.fromhex("cffaedfe07000001") + bytes(24)

_PROGRAMS = {
    "minikube": (
        "minikube",
        {
            "version -o json": '{"commit":"","minikubeVersion":"v1.38.1"}',
            "profile list --light --output=json": '{"invalid":[],"valid":[]}',
        },
    ),
    "helm": ("helm", {"version --template {{.Version}}": "v4.1.4"}),
    "kubernetes-cli": ("kubectl", {"version --client -o json": '{"clientVersion":{"gitVersion":"v1.36.1"}}'}),
    "argoproj/tap/kubectl-argo-rollouts": (
        "kubectl-argo-rollouts",
        {"version --short": "kubectl-argo-rollouts: v1.10.0+d90700a"},
    ),
}
"""Formula to the program that it installs, and what that one answers."""


class UnknownCallError(Exception):
    """A call that nobody told this stand-in about."""


class Mac:
    def __init__(self) -> None:
        self._file = Path(os.environ["STANDIN_MAC"])
        given = json.loads(self._file.read_text()) if self._file.exists() else {}
        self.state: dict[str, Any] = {**HEALTHY, **given}

    def keep(self) -> None:
        self._file.write_text(json.dumps(self.state))

    @property
    def prefix(self) -> Path:
        return Path(self.state["root"]) / "opt/homebrew"


def main(program: str) -> None:
    try:
        sys.exit(_ANSWERS[program](Mac(), sys.argv[1:]))
    except Exception:
        traceback.print_exc()
        sys.exit(UNKNOWN)


def _unknown(program: str, arguments: Sequence[str]) -> UnknownCallError:
    return UnknownCallError(f"{program} {' '.join(arguments)}")


def _sw_vers(mac: Mac, arguments: Sequence[str]) -> int:
    if list(arguments) != ["-productVersion"]:
        raise _unknown("sw_vers", arguments)
    print(mac.state["macos"])
    return 0


def _sysctl(mac: Mac, arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] != "-i" or any(name not in HEALTHY["sysctl"] for name in arguments[1:]):
        raise _unknown("sysctl", arguments)
    for name in arguments[1:]:
        if name in mac.state["sysctl"]:
            print(f"{name}: {mac.state['sysctl'][name]}")
    return 0


def _netstat(mac: Mac, arguments: Sequence[str]) -> int:
    if list(arguments) != ["-nr", "-f", "inet"]:
        raise _unknown("netstat", arguments)
    print("Routing tables\n\nInternet:")
    print(f"{'Destination':18} {'Gateway':18} {'Flags':19} {'Netif':>5} Expire")
    for destination, gateway, flags, link in mac.state["routes"]:
        print(f"{destination:18} {gateway:18} {flags:19} {link:>5}")
    return 0


def _socketfilterfw(mac: Mac, arguments: Sequence[str]) -> int:
    firewall = mac.state["firewall"]
    words = {True: "enabled", False: "disabled"}
    if list(arguments) == ["--getglobalstate"]:
        strict = "Firewall is blocking all non-essential incoming connections. (State = 2)"
        state = firewall["state"]
        print(strict if state == 2 else f"Firewall is {words[state > 0]}. (State = {state})")
    elif list(arguments) == ["--getblockall"]:
        print(f"Firewall has block all state set to {words[firewall['block_all']]}.")
    elif list(arguments) == ["--getallowsigned"]:
        print(f"Automatically allow built-in signed software {words[firewall['allow_signed']].upper()}.")
        print("Automatically allow downloaded signed software ENABLED.")
    elif list(arguments) == ["--listapps"]:
        print(f"Total number of apps = {len(firewall['apps'])} ")
        for number, (path, verdict) in enumerate(firewall["apps"].items(), 1):
            print(f"{number} : {path} \n             ({verdict} incoming connections) ")
    elif len(arguments) == 2 and arguments[0] in ("--add", "--unblock"):
        _change_firewall(mac, *arguments)
    else:
        raise _unknown("socketfilterfw", arguments)
    return 0


def _change_firewall(mac: Mac, flag: str, path: str) -> None:
    """On a managed Mac nothing changes, and it ends with 0 all the same (minikube#19680)."""
    apps = mac.state["firewall"]["apps"]
    if mac.state["firewall"]["managed"]:
        print("Firewall settings cannot be modified from command line on managed Mac computers.")
    elif flag == "--add":
        apps.setdefault(path, "Block")
        print(f"Application at path ( {path} ) added to firewall")
    elif path not in apps:
        print("The application is not part of the firewall")
    else:
        apps[path] = "Allow"
        print("Incoming connection to the application is permitted")
    mac.keep()


# -- Homebrew ---------------------------------------------------------------------------------------------------------


def _brew(mac: Mac, arguments: Sequence[str]) -> int:
    if len(arguments) == 2 and arguments[0] in ("install", "reinstall", "upgrade"):
        _install(mac.prefix, arguments[1])
        print(f"==> Pouring {arguments[1]}")
    elif len(arguments) == 3 and arguments[:2] in (["services", "start"], ["services", "restart"]):
        _start_service(mac, arguments[2])
    else:
        raise _unknown("brew", arguments)
    return 0


def _install(prefix: Path, formula: str) -> None:
    if formula == "qemu":
        write(prefix / "bin/qemu-system-aarch64", MACH_O_ARM64, executable=True)
        write(prefix / "opt/qemu/share/qemu/edk2-aarch64-code.fd", b"")
    elif formula == "socket_vmnet":
        write(prefix / "opt/socket_vmnet/bin/socket_vmnet_client", MACH_O_ARM64, executable=True)
        write(prefix / "opt/socket_vmnet/bin/socket_vmnet", (_HERE / "bin/socket_vmnet").read_bytes(), executable=True)
    elif formula in _PROGRAMS:
        name, answers = _PROGRAMS[formula]
        write(prefix / "bin" / name, _answering(answers), executable=True)
    else:
        raise UnknownCallError(f"formula {formula}")


def _answering(answers: dict[str, str]) -> bytes:
    """A program that knows these command lines and no other."""
    cases = "".join(f"  {line!r}) echo '{answer}' ;;\n" for line, answer in answers.items())
    return f'#!/bin/sh\ncase "$*" in\n{cases}  *) echo "unknown: $*" >&2; exit {UNKNOWN} ;;\nesac\n'.encode()


def _start_service(mac: Mac, formula: str) -> None:
    """launchd starts it in the background; brew doesn't wait for it."""
    daemon = mac.prefix / "opt" / formula / "bin" / formula
    if formula != "socket_vmnet" or not daemon.exists():
        raise UnknownCallError(f"service {formula}")
    socket = mac.prefix / "var/run/socket_vmnet"
    socket.parent.mkdir(parents=True, exist_ok=True)
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(
        [sys.executable, str(daemon), "--vmnet-gateway=192.168.105.1", str(socket)],
        start_new_session=True,
        **quiet,  # type: ignore[call-overload]
    )
    mac.state["services"] = {**mac.state["services"], formula: process.pid}
    mac.keep()
    print(f"==> Successfully started `{formula}` (label: homebrew.mxcl.{formula})")


def write(path: Path, content: bytes, *, executable: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if executable else 0o644)


_ANSWERS: dict[str, Callable[[Mac, Sequence[str]], int]] = {
    "sw_vers": _sw_vers,
    "sysctl": _sysctl,
    "netstat": _netstat,
    "socketfilterfw": _socketfilterfw,
    "brew": _brew,
}
