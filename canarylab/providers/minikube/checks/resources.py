"""Memory, processors and disk against what the playbook asks for."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator

from canarylab.contract.provider import Finding
from canarylab.files import existing_parent
from canarylab.providers.minikube import vm
from canarylab.providers.minikube.checks.host import CONTAINER_DRIVERS, Host
from canarylab.tools import minikube

_MIB = 1 << 20
_GIB = 1 << 30
_LEAST_MIB = 1800
"""Below it minikube refuses (RSRC_INSUFFICIENT_REQ_MEMORY, exit 23)."""
_LEAST_CPUS = 2
"""RSRC_INSUFFICIENT_CORES, exit 29."""
_HOST_MIB = 2048
"""What the host needs for itself, or everything is swapped out."""
_DISK_LEAST = 6 * _GIB
"""The virtual machine's image, Kubernetes' images and what Istio and the demo add."""
_DISK_FULL = 20 * _GIB
"""The size that the virtual machine's disk may grow to, by minikube's default."""


def memory(host: Host) -> Iterator[Finding]:
    """Enough for minikube and for this machine besides; in MiB."""
    wanted, total = minikube.mebibytes(host.spec.memory), _total_mib(host)
    remedy = "in the playbook: cluster: {memory: 6144mb}"
    asked = f"the playbook asks for {wanted} MiB"
    if wanted < _LEAST_MIB:
        yield Finding("memory", False, f"{asked}, minikube's least is {_LEAST_MIB} MiB", remedy)
    elif total is None:
        yield Finding("memory", True, f"{asked}; how much there is isn't known")
    elif wanted > total:
        yield Finding("memory", False, f"{asked}, this machine has {total} MiB", remedy)
    elif wanted > total - _HOST_MIB:
        seen = f"{asked} of {total} MiB, which leaves less than {_HOST_MIB} MiB for all else"
        yield Finding("memory", False, seen, remedy, fatal=False)
    else:
        yield Finding("memory", True, f"{wanted} MiB of {total} MiB")


def processors(host: Host) -> Iterator[Finding]:
    """Not more than there are, nor fewer than minikube takes."""
    wanted = host.spec.cpus
    there = int(host.facts["hw.ncpu"]) if "hw.ncpu" in host.facts else os.cpu_count() or wanted
    if wanted < _LEAST_CPUS:
        seen = f"the playbook asks for {wanted}, minikube's least is {_LEAST_CPUS}"
        yield Finding("processors", False, seen, f"in the playbook: cluster: {{cpus: {_LEAST_CPUS}}}")
    elif wanted > there:
        seen = f"the playbook asks for {wanted}, this machine has {there}: minikube ends with RSRC_INSUFFICIENT_CORES"
        yield Finding("processors", False, seen, f"in the playbook: cluster: {{cpus: {there}}}")
    else:
        yield Finding("processors", True, f"{wanted} of {there}")


def disk(host: Host) -> Iterator[Finding]:
    """Free space where minikube keeps its machines; in GiB."""
    folder = existing_parent(vm.home())
    free = shutil.disk_usage(folder).free
    seen = f"{free / _GIB:.1f} GiB free at {folder}"
    remedy = "free some, or set MINIKUBE_HOME to a folder on a larger disk"
    if free < _DISK_LEAST:
        yield Finding("disk", False, f"{seen}, at least {_DISK_LEAST // _GIB} GiB are needed", remedy)
    elif free < _DISK_FULL and host.driver not in CONTAINER_DRIVERS:
        grows = f"{seen}; the virtual machine's disk may grow to {_DISK_FULL // _GIB} GiB"
        yield Finding("disk", False, grows, remedy, fatal=False)
    else:
        yield Finding("disk", True, seen)


def _total_mib(host: Host) -> int | None:
    if "hw.memsize" in host.facts:
        return int(host.facts["hw.memsize"]) // _MIB
    info = host.file("/proc/meminfo")
    found = re.search(r"^MemTotal:\s*(\d+) kB", info.read_text(), re.MULTILINE) if info.exists() else None
    return int(found.group(1)) // 1024 if found else None
