"""How much of this host a profile may take: what its playbook asks for, or less where the host has less.

The limit is set on the profile's control group (`cgroups`), and the kubelet is told of it, so that the sum of all pods
is held below it: what is over ends inside, pods first, and never on the host.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from canarylab.contract.playbook import ClusterSpec
from canarylab.errors import MachineError
from canarylab.files import write_private
from canarylab.tools.minikube import mebibytes

MIB = 1 << 20
GIB = 1 << 30
PROCESSES = 8192
"""Processes and threads of all of a profile together: a quarter of what a kernel allows by default (pid_max)."""
_POD_PROCESSES = 1024
"""Of one pod; a sidecar has about 20, a large JVM a few hundred."""
_NODE_PROCESSES = 1024
"""Of those, kept free for containerd, the kubelet and their helpers."""
HOST_KEEPS = 512 * MIB
"""Never handed out, so that one can still log in and run a teardown."""
_NODE_SHARE = 0.1
_NODE_LEAST = 384 * MIB
"""What containerd, its shims and the kubelet are given of the ceiling; pods have the rest."""
_PRESSURE_SECONDS = 30
"""How long the node takes no pods without requests after it had too little memory. The kubelet's default is 5 min."""
LEAST = 3 * GIB // 2
"""Bytes that an empty cluster needs to come up."""
_FILE = "ceiling.json"


@dataclass(frozen=True)
class Ceiling:
    """Memory in bytes, and processors."""

    memory: int
    cpus: int

    def __str__(self) -> str:
        return f"{gib(self.memory)} of memory and {self.cpus} processor{'s' * (self.cpus != 1)}"


@dataclass(frozen=True)
class Host:
    """Memory of this host in bytes, in all and what can be had without swapping, processors, and the most processes."""

    memory: int
    available: int
    cpus: int
    processes: int

    @classmethod
    def read(cls, proc: Path = Path("/proc")) -> Host:
        """As the kernel says, which is where the kubelet reads it, too (cadvisor: machine.GetMachineMemoryCapacity)."""
        lines = (line.split() for line in (proc / "meminfo").read_text().splitlines())
        memory = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) > 1}
        # The kubelet takes the smaller of the two (pkg/kubelet/stats/pidlimit).
        processes = min(int((proc / "sys/kernel" / name).read_text()) for name in ("pid_max", "threads-max"))
        return cls(memory["MemTotal"], memory["MemAvailable"], os.cpu_count() or 1, processes)


def gib(size: float) -> str:
    """Bytes, to be read."""
    return f"{size / GIB:.1f} GiB"


def asked(spec: ClusterSpec) -> Ceiling:
    """What the playbook asks for; units as minikube reads them."""
    return Ceiling(mebibytes(spec.memory) * MIB, spec.cpus)


def taken(wanted: Ceiling, host: Host, promised: int = 0, most: int | None = None) -> Ceiling:
    """What is taken of it: no more than is free once the host keeps some, and others have what they were `promised`.

    `most` is what this host, if it is a container itself, may take in all.
    """
    free = host.available - promised - HOST_KEEPS
    return Ceiling(
        max(0, min(wanted.memory, free, *([most - HOST_KEEPS] if most else []))), min(wanted.cpus, host.cpus)
    )


def require_enough(wanted: Ceiling, got: Ceiling, host: Host) -> None:
    """Raise MachineError where so much less is free than was asked for that nothing could run in it."""
    if got.memory < min(wanted.memory, LEAST):
        raise MachineError(
            f"{gib(host.available)} of memory are available, and {gib(got.memory)} could be handed to the cluster",
            why=f"the playbook asks for {gib(wanted.memory)}; this host keeps {gib(HOST_KEEPS)}, and other profiles "
            "have what they were promised",
            remedy="close what isn't needed, or tear another profile down; `free -m` shows what is available",
        )


def shortage(wanted: Ceiling, got: Ceiling) -> str:
    """In words, what of the playbook's wish isn't met; "" where all is."""
    parts = []
    if got.memory < wanted.memory:
        parts.append(f"{gib(got.memory)} of the {gib(wanted.memory)} of memory")
    if got.cpus < wanted.cpus:
        parts.append(f"{got.cpus} of the {wanted.cpus} processors")
    return " and ".join(parts)


def kubelet(ceiling: Ceiling, host: Host, *, quotas: bool) -> str:
    """A drop-in for the kubelet's configuration: its capacity is the host's, so what isn't ours is reserved.

    What is left, allocatable, is also the limit of all pods together (kubelet: enforceNodeAllocatable), and one that
    comes near it is evicted. Without `quotas`, pods are held below the ceiling together, and not each below its own
    limit of processor time.
    """
    pods = ceiling.memory - max(_NODE_LEAST, int(ceiling.memory * _NODE_SHARE))
    reserved = {
        "memory": str(max(0, host.memory - pods)),
        "cpu": str(max(0, host.cpus - ceiling.cpus)),
        "pid": str(max(0, host.processes - PROCESSES + _NODE_PROCESSES)),
    }
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "enforceNodeAllocatable": ["pods"],
            "systemReserved": reserved,
            "podPidsLimit": _POD_PROCESSES,
            "cpuCFSQuota": quotas,
            "evictionPressureTransitionPeriod": f"{_PRESSURE_SECONDS}s",
        }
    )


@dataclass(frozen=True)
class AskedAndTaken:
    """What a machine was started with: asked for by the playbook, and taken."""

    asked: Ceiling
    taken: Ceiling

    def save(self, folder: Path) -> None:
        """Write it into the profile's folder."""
        write_private(folder / _FILE, json.dumps(dataclasses.asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> AskedAndTaken | None:
        """None where the machine was started by a version without a ceiling, or the file can't be read."""
        try:
            found: dict[str, Any] = json.loads((folder / _FILE).read_text())
            return cls(Ceiling(**found["asked"]), Ceiling(**found["taken"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
