"""What a machine has that a teardown must not leave: taken before and after, and compared.

Clusters that somebody else has up or takes down on the same machine meanwhile are left out, told by their names.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from canarylab.paths import state_home
from canarylab.providers.embedded.network import link_name

_OURS = "e2e"
"""How the profiles of these tests begin."""

_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
"""Of the whole kernel; a kubelet would like to set them."""


def snapshot() -> dict[str, set[str]]:
    """Everything of this host that the tool could leave something in, the shared cache left out."""
    return {
        "processes": _processes(),
        "mounts": {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()},
        "network namespaces": _names("/run/netns"),
        "links": _names("/sys/class/net"),
        "routes": set(_output("ip", "route", "show", "table", "all").splitlines()),
        "nftables": _tables(),
        "control groups": {str(path) for path in Path("/sys/fs/cgroup").glob("**/*canarylab*")},
        "kernel settings": {f"{name}={Path('/proc/sys', name).read_text().strip()}" for name in _SETTINGS},
        "files": {str(path) for path in state_home().rglob("*")} | _names("/etc/cni") | _names("/var/lib/kubelet"),
    }


def left(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, set[str]]:
    """What is there after and wasn't before, by what it is."""
    return {what: added for what, found in after.items() if (added := _ours(found - before[what]))}


def _ours(added: set[str]) -> set[str]:
    marks = "|".join(mark for name in _others() for mark in (f"canarylab-{name}", link_name(name), f"/{name}"))
    return {entry for entry in added if not marks or not re.search(rf"(?<![\w-])({marks})(?![\w-])", entry)}


def _others() -> list[str]:
    """Profiles that are up on this machine and aren't of these tests."""
    return sorted(name for name in _names("/run/canarylab") if not name.startswith(_OURS))


def _networks_of_others() -> set[int]:
    """The inodes of their network namespaces: what runs in one is theirs."""
    paths = [Path("/run/netns", f"canarylab-{name}") for name in _others()]
    return {path.stat().st_ino for path in paths if path.exists()}


def _processes() -> set[str]:
    """Those whose command line, root or namespace has to do with a cluster: others come and go meanwhile."""
    found, foreign = set(), _networks_of_others()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                network = (process / "ns" / "net").stat().st_ino
            except OSError:
                continue
            names = (
                "supervisord",
                "containerd",
                "kubelet",
                "kube-",
                "etcd",
                "s6-",
                "envoy",
                "pilot",
                "tunnel",
                "unshare",
            )
            if network not in foreign and any(name in command for name in names):
                found.add(f"{process.name} {command[:120]}")
    return found


def _tables() -> set[str]:
    """None where there is no nft yet: the first `up` on a new machine installs it."""
    if not shutil.which("nft"):
        return set()
    return {str(table) for table in json.loads(_output("nft", "-j", "list", "tables"))["nftables"][1:]}


def _names(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()} if Path(folder).is_dir() else set()


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout
