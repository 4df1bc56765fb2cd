"""What the operating system refuses for want of room or rights, and the look at the disks that says why."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from canarylab.errors import MachineError
from canarylab.files import existing_parent
from canarylab.paths import cache_home, state_home

_LEAST = 1 << 20
"""Bytes: with fewer, a filesystem is full for all that is done here."""
_KEPT_BLOCKS = 4096
_FREE = "free some there; `invoke teardown` needs no room, and gives back what the cluster takes"
_REMEDIES = {
    errno.ENOSPC: _FREE,
    errno.EDQUOT: "free some of your quota there (`quota`); `invoke teardown` gives back what the cluster takes",
    errno.EROFS: "have it mounted for writing, or choose other folders: XDG_STATE_HOME, XDG_CACHE_HOME, TMPDIR",
    errno.EMFILE: "this shell allows too few open files: `ulimit -n 4096`, then again",
    errno.ENFILE: "this host allows too few open files: `sysctl fs.file-max`",
    errno.ENOMEM: "close what isn't needed; `free -m` shows what is available",
}
_RIGHTS = "`ls -ld` shows whose it is; what a run as root made needs root again"


@dataclass(frozen=True)
class Fault:
    """A filesystem on which nothing can be written, what is there, and what to do."""

    folder: Path
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.folder}: {self.what}"


def homes() -> tuple[Path, ...]:
    """The folders that every run writes to: state, cache, and the system's for temporary files."""
    return state_home(), cache_home(), temporary()


def temporary() -> Path:
    """The first folder that Python and others look for room in; unlike Python, without writing there."""
    named = (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return Path(next(filter(None, named), "/tmp"))


def faults(folders: Iterable[Path] | None = None) -> list[Fault]:
    """The filesystems of these folders, of all that are used by default, that are full or read-only; each once."""
    found: dict[int, Fault] = {}
    for folder in map(existing_parent, folders if folders is not None else homes()):
        if fault := _fault(folder):
            found.setdefault(folder.stat().st_dev, fault)
    return list(found.values())


def _fault(folder: Path) -> Fault | None:
    status = os.statvfs(folder)
    # Some is kept for root, and some by ext4 for itself, which it counts as free (ext4_calculate_resv_clusters).
    for_root = status.f_bfree - _KEPT_BLOCKS if os.geteuid() == 0 else 0
    free = max(status.f_bavail, for_root) * status.f_frsize
    size = status.f_blocks * status.f_frsize
    if status.f_flag & os.ST_RDONLY:
        return Fault(folder, "its filesystem is mounted read-only", _REMEDIES[errno.EROFS])
    if size and free < _LEAST:
        return Fault(folder, f"its filesystem of {_amount(size)} is full: {free >> 10} KiB are left", _FREE)
    if status.f_files and not status.f_ffree:
        return Fault(folder, f"its filesystem has no room for another file: all {status.f_files} are taken", _FREE)
    return None


def _amount(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size >> 20} MiB"


def remedy_for(said: str) -> str | None:
    """What to do about a program's words that are the system's for want of room, with the disks that are full."""
    number = next((number for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) if os.strerror(number) in said), None)
    if number is None:
        return None
    return "; ".join([*map(str, faults()), _REMEDIES[number]])


def machine_trouble(error: OSError) -> MachineError:
    """What the operating system refused, such as a full disk or a file of another user, and what to do about it.

    An error of writing doesn't say where: then the filesystems that are full are named.
    """
    where = str(error.filename) if error.filename else None
    seen = [] if where or error.errno not in (errno.ENOSPC, errno.EROFS) else faults()
    named = where or "; ".join(str(fault.folder) for fault in seen)
    said = error.strerror or str(error)
    return MachineError(
        f"{said}: {named}" if named else said,
        why="; ".join(fault.what for fault in seen) or None,
        remedy=_REMEDIES.get(error.errno or 0, _RIGHTS),
    )
