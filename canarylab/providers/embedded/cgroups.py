"""The control groups in which everything of a profile runs: version 1, version 2, or both at once (hybrid).

In the group of the profile's name, which has the limits, are one for containerd and the kubelet, `machine`, and the
kubelet's own for the pods.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from canarylab.cancel import Cancel, wait_until
from canarylab.errors import MachineError
from canarylab.providers.embedded.ceiling import PROCESSES, Ceiling
from canarylab.removal import Removal

ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("cpu", "cpuset", "memory", "hugetlb", "pids")
_INHERITED = ("cpuset.cpus", "cpuset.mems")
_MACHINE = "machine"
"""With version 2, a group that has others below it holds no processes itself."""
_PERIOD = 100_000
"""Microseconds in which a quota of processor time is counted: the kernel's default."""
_NO_LIMIT = 1 << 60
"""Bytes. Version 1 says "no limit" by a number near 2^63."""
_LIMITS = ("memory.max", "memory.limit_in_bytes")
_USES = ("memory.current", "memory.usage_in_bytes")


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
        if self._is_unified:
            return [self._root / self.name]
        return [path / self.name for path in sorted(self._root.glob("*")) if path.is_dir() and not path.is_symlink()]

    @property
    def _is_unified(self) -> bool:
        return (self._root / "cgroup.controllers").exists()

    @property
    def nests_quotas(self) -> bool:
        """Whether a group's quota of processor time may be above its parent's, which then counts.

        Version 1 refuses that (kernel: tg_cfs_schedulable_down), and with it every pod whose limit is above the
        ceiling.
        """
        return self._is_unified

    @property
    def entrances(self) -> list[Path]:
        """The files to which a process writes its id to be in the groups, it and all that it starts."""
        return [group / _MACHINE / "cgroup.procs" for group in self.groups]

    def create(self, ceiling: Ceiling) -> None:
        """Make the groups, with these limits on all that will be in them; before anything runs there.

        The kubelet wants its root to exist; a version 1 cpuset is useless until it is filled.
        """
        self._delegate()
        for group in self.groups:
            _remove(group)  # what is left of the last start has its limits, and in version 1 its cpusets
            _make(group)
            for name, value in self._settings(group, ceiling):
                _set(group / name, value)
            _make(group / _MACHINE)

    def _settings(self, group: Path, ceiling: Ceiling) -> Iterator[tuple[str, str]]:
        """The files of a group to write, in order. Swap is the host's: a machine has none, and would only be slow."""
        if self._is_unified:
            yield "memory.max", str(ceiling.memory)
            if (group / "memory.swap.max").exists():  # a kernel without swap has no such file
                yield "memory.swap.max", "0"
            yield "cpu.max", f"{ceiling.cpus * _PERIOD} {_PERIOD}"
            yield "pids.max", str(PROCESSES)
            return
        controllers = group.parent.name.split(",")
        if "memory" in controllers:
            yield "memory.limit_in_bytes", str(ceiling.memory)
            if (group / "memory.memsw.limit_in_bytes").exists():
                yield "memory.memsw.limit_in_bytes", str(ceiling.memory)
        if "pids" in controllers:
            yield "pids.max", str(PROCESSES)
        if "cpu" in controllers:
            yield "cpu.cfs_period_us", str(_PERIOD)
            yield "cpu.cfs_quota_us", str(ceiling.cpus * _PERIOD)

    def most_memory(self) -> int | None:
        """Bytes that all groups of this host together may take, where it is a container with a limit of its own."""
        roots = [self._root] if self._is_unified else [self._root / "memory"]
        found = (_number(root / name) for root in roots for name in _LIMITS)
        return next((limit for limit in found if limit is not None and limit < _NO_LIMIT), None)

    def tasks(self) -> int | None:
        """Processes and threads in the groups; None where they aren't there."""
        return next((count for group in self.groups if (count := _number(group / "pids.current")) is not None), None)

    def tasks_of_pods(self) -> dict[str, tuple[int, int]]:
        """By pod's uid: how many processes and threads it has, and how many it may have.

        The kubelet names a pod's group after its uid (pkg/kubelet/cm: GetPodContainerName).
        """
        counts = {}
        for folder in (path for group in self.groups for path in group.glob("kubepods/**/pod*") if path.is_dir()):
            has, may = _number(folder / "pids.current"), _number(folder / "pids.max")
            if has is not None and may is not None:
                counts[folder.name.removeprefix("pod")] = (has, may)
        return counts

    def memory(self) -> tuple[int, int] | None:
        """Bytes in use and the limit; None where the groups aren't there or have none.

        In use is what can't be had back at once: without what of files is kept only since nobody needed the room, as
        the kubelet counts (cadvisor: working set).
        """
        for group in self.groups:
            used, limit = _first(group, _USES), _first(group, _LIMITS)
            if used is not None and limit is not None and limit < _NO_LIMIT:
                return max(0, used - _idle(group)), limit
        return None

    def promised(self, prefix: str) -> int:
        """Bytes that other profiles may still take of this host: their limits, less what they use.

        `prefix` is what the names of all profiles' groups begin with.
        """
        names = {path.name for group in self.groups for path in group.parent.glob(f"{prefix}*")} - {self.name}
        found = (ControlGroups(name, self._root).memory() for name in sorted(names))
        return sum(max(0, limit - used) for used, limit in filter(None, found))

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
                f"the control groups' controllers can't be delegated: {error.strerror}",
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


def _make(group: Path) -> None:
    group.mkdir(exist_ok=True)
    for name in _INHERITED:
        own, parent = group / name, group.parent / name
        if own.exists() and parent.exists() and not own.read_text().strip():
            own.write_text(parent.read_text())


def _set(file: Path, value: str) -> None:
    try:
        file.write_text(value)
    except OSError as error:
        raise MachineError(
            f"the limit {value} can't be set: {error.strerror}",
            where=str(file),
            why="without it, one pod could take all of this host, so nothing is started",
            remedy=f"look at that file, and what runs in the group: cat {file.parent}/cgroup.procs",
        ) from error


def _first(group: Path, names: Sequence[str]) -> int | None:
    """What the first of the files says that is there, with a number in it."""
    return next((number for name in names if (number := _number(group / name)) is not None), None)


def _idle(group: Path) -> int:
    """Bytes of files that are kept in memory and weren't used lately: version 1 sums them under another name."""
    with suppress(OSError, ValueError):
        lines = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(lines.get("total_inactive_file") or lines.get("inactive_file") or 0)
    return 0


def _number(file: Path) -> int | None:
    """What a file says; None where it says `max` or isn't there."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _remove(group: Path) -> bool:
    for path in sorted([group, *filter(Path.is_dir, group.rglob("*"))], reverse=True):
        with suppress(OSError):  # busy: the caller tries again
            path.rmdir()
    return not group.exists()
