"""How much memory a cluster takes: of all its processes, and as the kernel's control groups count it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Memory:
    """In bytes."""

    pss: int
    """What the processes take together: a page that several share counts once, in parts."""
    rss: int
    """The same, where a page that several share counts for each of them."""
    groups: int | None
    """What the kernel charges to the pods' control groups, cached files included."""
    by_program: dict[str, int]
    """PSS by the program's name, the largest first."""


def measure(processes: Iterable[int], group: str) -> Memory:
    """Of these processes; `group` is the control group that all pods are in. Needs root."""
    pss: Counter[str] = Counter()
    rss = 0
    for pid in processes:
        with suppress(OSError):  # it ended meanwhile
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
            values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
            pss[Path(f"/proc/{pid}/comm").read_text().strip()] += values["Pss"]
            rss += values["Rss"]
    return Memory(pss.total(), rss, _charged(group), dict(pss.most_common()))


def _charged(group: str) -> int | None:
    for file in (_GROUPS / "memory" / group / "memory.usage_in_bytes", _GROUPS / group / "memory.current"):
        if file.exists():
            return int(file.read_text())
    return None
