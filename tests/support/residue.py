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

MARK = ("CANARYLAB_TESTS", str(os.getpid()))
"""A variable of the environment that whatever these tests start inherits."""

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
        "processes": processes(),
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


def processes() -> set[str]:
    """Those that carry our marks, or descend from these tests: what else the machine does is none of our business."""
    listed = {int(process.name): process for process in Path("/proc").iterdir() if process.name.isdigit()}
    parents = {number: parent for number, process in listed.items() if (parent := _parent(process)) is not None}
    networks = {path.stat().st_ino for path in Path("/run/netns").glob(f"canarylab-{_OURS}*")}
    own = os.getpid()
    return {
        f"{number} {_read(process / 'cmdline')[:120]}"
        for number, process in listed.items()
        if number in parents and number != own
        if own in _ancestors(number, parents) or _network(process) in networks or _is_marked(process)
    }


def _is_marked(process: Path) -> bool:
    """By its command line, its control groups or its environment."""
    state = re.escape(str(state_home()))
    name = rf"(canarylab-|/canarylab/|{state}/){_OURS}(?![a-z0-9])"
    if re.search(name, " ".join(_read(process / part) for part in ("cmdline", "cgroup"))):
        return True
    return f"{MARK[0]}={MARK[1]}" in _read(process / "environ").split()


def _ancestors(number: int, parents: dict[int, int]) -> set[int]:
    found: set[int] = set()
    while (number := parents.get(number, 0)) and number not in found:
        found.add(number)
    return found


def _parent(process: Path) -> int | None:
    """None for one that has ended, collected or not."""
    state, parent = ([*_read(process / "stat").rpartition(")")[2].split()[:2], "", ""])[:2]
    return int(parent) if parent and state != "Z" else None


def _network(process: Path) -> int:
    try:
        return (process / "ns" / "net").stat().st_ino
    except OSError:
        return 0


def _read(file: Path) -> str:
    """Nothing of a process that has ended meanwhile."""
    try:
        return file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _tables() -> set[str]:
    """None where there is no nft yet: the first `up` on a new machine installs it."""
    if not shutil.which("nft"):
        return set()
    return {str(table) for table in json.loads(_output("nft", "-j", "list", "tables"))["nftables"][1:]}


def _names(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()} if Path(folder).is_dir() else set()


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout
