"""What is on this machine that a run could leave behind: taken before and after, and compared."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import processes
import yaml

_SYSTEM = {"/etc": 6, "/opt": 2, "/run": 6, "/usr/lib/cni": 1, "/var/lib": 3, "/var/log": 1, "/var/tmp": 1}
"""Folders of the system, and how deep they are looked into. Not /tmp: everybody writes there, and the commands that are
measured are given a folder of their own in its place."""
_ANY_DEPTH = 1000
_PROFILE_LINK = "cl-"
_SECTIONS = ("clusters", "contexts", "users")

Traces = dict[str, set[str]]


@dataclass(frozen=True)
class Places:
    """What is looked at besides the system's own folders."""

    folders: tuple[Path, ...]
    """Where nobody but the commands that are measured writes; looked into to the bottom."""
    unseen: tuple[Path, ...]
    """Folders not looked into."""
    kubeconfig: Path
    programs: Path
    """Compiled programs that all profiles share. They may be there, and must not be changed."""


def take(places: Places) -> Traces:
    """What is there now, by sort."""
    return {
        "processes": {_command(pid) for pid in processes.descendants()},
        "mounts": {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()},
        "network namespaces": _names(Path("/run/netns")),
        "links": _names(Path("/sys/class/net")),
        "routes": {line for family in ("-4", "-6") for line in _lines("ip", family, "route", "show", "table", "all")},
        "nftables": set(_lines("nft", "list", "tables")),
        "control groups": set(_control_groups()),
        "files": set(_files(places)),
        "kubeconfig": set(_kubeconfig(places.kubeconfig)),
        "shared programs": set(_contents(places.programs)),
    }


def left(before: Traces, after: Traces) -> dict[str, list[str]]:
    """What is there now and wasn't, or is gone from the kubeconfig. A folder counts once, with all that is in it."""
    changes = {what: after[what] - before[what] for what in before}
    changes["kubeconfig"] = before["kubeconfig"] ^ after["kubeconfig"]
    # Another profile's own, which may come up and go down meanwhile.
    others = [f" dev {link} " for link in before["links"] if link.startswith(_PROFILE_LINK)]
    changes["routes"] = {route for route in changes["routes"] if not any(link in f"{route} " for link in others)}
    changes["files"] = {path for path in changes["files"] if path.rpartition("/")[0] not in changes["files"]}
    return {what: sorted(found) for what, found in changes.items() if found}


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return f"{pid}, which ended meanwhile"
    return f"{pid} {words[:120].strip()}"


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()


def _lines(*argv: str) -> list[str]:
    found = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()
    return [line.strip() for line in found]


def _control_groups() -> Iterator[str]:
    """The groups at the top of each hierarchy; what is below belongs to whoever made those."""
    for folder in filter(Path.is_dir, Path("/sys/fs/cgroup").iterdir()):
        yield str(folder)
        yield from (str(group) for group in folder.iterdir() if group.is_dir())


def _files(places: Places) -> Iterator[str]:
    for name, depth in _SYSTEM.items():
        yield from _below(Path(name), depth, places.unseen)
    for folder in places.folders:
        yield from _below(folder, _ANY_DEPTH, places.unseen)


def _below(folder: Path, depth: int, unseen: tuple[Path, ...]) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        path = Path(entry.path)
        if path in unseen:
            continue
        yield entry.path
        if depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _below(path, depth - 1, unseen)


def _kubeconfig(path: Path) -> Iterator[str]:
    """Every entry, and the current context."""
    config = (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
    yield f"current-context {config.get('current-context')}"
    for section in _SECTIONS:
        for entry in config.get(section) or []:
            yield f"{section} {json.dumps(entry, sort_keys=True)}"


def _contents(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(f"{parent}/{name}")
            yield f"{parent}/{name} {status.st_size} bytes of {status.st_mtime_ns}"
