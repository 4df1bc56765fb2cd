"""The control groups below which all pods of a profile run: version 1, version 2, or both at once (hybrid)."""

from __future__ import annotations

import functools
from contextlib import suppress
from pathlib import Path

from canarylab.cancel import Cancel, wait_until
from canarylab.errors import MachineError
from canarylab.removal import Removal

ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("cpu", "cpuset", "memory", "hugetlb", "pids")
_INHERITED = ("cpuset.cpus", "cpuset.mems")


class ControlGroups:
    """One group of the profile's name in every hierarchy of the host."""

    def __init__(self, name: str, root: Path = ROOT) -> None:
        self.name = name
        self._root = root

    @property
    def groups(self) -> list[Path]:
        """The profile's folder in each mounted hierarchy, whether it exists or not.

        A hierarchy is the root itself with version 2, else one folder a controller; maybe there is none at all.
        """
        if (self._root / "cgroup.controllers").exists():
            return [self._root / self.name]
        return [path / self.name for path in sorted(self._root.glob("*")) if path.is_dir() and not path.is_symlink()]

    def create(self) -> None:
        """Make the groups. The kubelet wants its root to exist; a version 1 cpuset is useless until it is filled."""
        self._delegate()
        for group in self.groups:
            group.mkdir(exist_ok=True)
            for name in _INHERITED:
                own, parent = group / name, group.parent / name
                if own.exists() and parent.exists() and not own.read_text().strip():
                    own.write_text(parent.read_text())

    def _delegate(self) -> None:
        """With version 2, hand the controllers down that the kubelet asks for: cgroupRoot has to have them."""
        has = self._root / "cgroup.controllers"
        if not has.exists():
            return
        wanted = [name for name in _CONTROLLERS if name in has.read_text().split()]
        try:
            (self._root / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted))
        except OSError as error:
            raise MachineError(
                f"the control groups' controllers can't be handed down: {error.strerror}",
                where=str(self._root / "cgroup.subtree_control"),
                why="in a container with a control group namespace of its own, the root group holds processes",
                remedy="start the container with --cgroupns=host",
            ) from error

    def processes(self) -> set[int]:
        """Everything that runs in the groups and below."""
        found: set[int] = set()
        for group in self.groups:
            for file in group.rglob("cgroup.procs"):
                with suppress(OSError):  # a group can end while it is read
                    found.update(int(pid) for pid in file.read_text().split() if pid != "0")
        return found

    def delete(self, cancel: Cancel) -> list[Removal]:
        """Delete the groups from the leaves up. The kernel may need a moment after the last process is gone."""
        existing = [group for group in self.groups if group.exists()]
        for group in existing:
            wait_until(functools.partial(_remove, group), deadline=cancel.now() + 5, cancel=cancel)
        left = [str(group) for group in existing if group.exists()]
        if left:
            return [Removal(f"control groups {', '.join(left)}", "failed", "still in use")]
        return [Removal(f"control groups {self.name} in {len(existing)} hierarchies", "removed")] if existing else []


def _remove(group: Path) -> bool:
    for path in sorted([group, *filter(Path.is_dir, group.rglob("*"))], reverse=True):
        with suppress(OSError):  # busy: the caller tries again
            path.rmdir()
    return not group.exists()
