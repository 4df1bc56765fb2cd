"""macOS' `route` and `netstat -nr`, by `ip` on Linux' table."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from . import calls
from .home import System

_NOT_ROOT = 77


def route(argv: Sequence[str]) -> int:
    """`route -n add|delete|get`."""
    calls.note("route", argv)
    words = [word for word in argv if word not in ("-n", "-net", "-host")]
    action, destination, *rest = words
    if action in ("add", "delete") and os.geteuid() != 0:
        sys.stderr.write("route: must be root to alter routing table\n")
        return _NOT_ROOT
    if action == "add":
        return _add(destination, rest[0])
    if action == "delete":
        return _delete(destination)
    if action == "get":
        return _get(destination)
    raise SystemExit(f"the stand-in for route doesn't know {' '.join(argv)}")


def _add(destination: str, gateway: str) -> int:
    line = f"add net {destination.split('/', maxsplit=1)[0]}: gateway {gateway}"
    done = _ip("route", "add", destination, "via", gateway)
    if done.returncode == 0:
        print(line)
        return 0
    why = "File exists" if "File exists" in done.stderr else "Network is unreachable"
    sys.stderr.write(f"route: writing to routing socket: {why}\n")
    print(f"{line}: {why}")
    return 1


def _delete(destination: str) -> int:
    line = f"delete net {destination.split('/', maxsplit=1)[0]}"
    if _ip("route", "delete", destination).returncode == 0:
        print(line)
        return 0
    sys.stderr.write("route: writing to routing socket: not in table\n")
    print(f"{line}: not in table")
    return 1


def _get(address: str) -> int:
    """The entry that a packet to `address` would take: the longest that holds it."""
    wanted = ipaddress.ip_address(address)
    holding = [row for row in _table() if wanted in _network(row) and row.get("type") != "unreachable"]
    if not holding:
        sys.stderr.write("route: writing to routing socket: not in table\n")
        return 1
    row = max(holding, key=lambda row: _network(row).prefixlen)
    network = _network(row)
    is_default = network.prefixlen == 0
    lines = [f"   route to: {address}"]
    lines += [f"destination: {'default' if is_default else network.network_address}"]
    lines += [f"       mask: {'default' if is_default else network.netmask}"]
    lines += [f"    gateway: {row['gateway']}"] if "gateway" in row else []
    flags = "UP,GATEWAY,DONE,STATIC,PRCLONING" if "gateway" in row else "UP,DONE,CLONING,STATIC"
    lines += [f"  interface: {row.get('dev', 'lo0')}", f"      flags: <{flags}>"]
    lines += [" recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire"]
    lines += ["       0         0         0         0         0         0      1500         0 "]
    print("\n".join(lines))
    return 0


def netstat(argv: Sequence[str]) -> int:
    """`netstat -nr -f inet`; anywhere but on a Mac the real one does it."""
    calls.note("netstat", argv)
    if System.here().name != "darwin" or not {"-nr", "-rn"} & set(argv):
        raise SystemExit(f"the stand-in for netstat doesn't know {' '.join(argv)}")
    print("Routing tables\n\nInternet:")
    print(f"{'Destination':<19}{'Gateway':<19}{'Flags':<15}{'Netif':>10} Expire")
    for row in _table():
        if row.get("type") == "unreachable":
            continue
        network = _network(row)
        name = "default" if network.prefixlen == 0 else _short(network)
        gateway, flags = (row["gateway"], "UGSc") if "gateway" in row else ("link#15", "UCS")
        print(f"{name:<19}{gateway:<19}{flags:<15}{row.get('dev', ''):>10}       ")
    return 0


def _short(network: ipaddress.IPv4Network) -> str:
    """As macOS writes it: zeros at the end are left out, and a length that says nothing new too."""
    parts = str(network.network_address).split(".")
    while len(parts) > 1 and parts[-1] == "0":
        parts.pop()
    short = ".".join(parts)
    return short if network.prefixlen == 8 * len(parts) else f"{short}/{network.prefixlen}"


def _network(row: dict[str, Any]) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network("0.0.0.0/0" if row["dst"] == "default" else row["dst"])


def _table() -> list[dict[str, Any]]:
    return list(json.loads(_ip("-j", "-4", "route", "show").stdout or "[]"))


def _ip(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
