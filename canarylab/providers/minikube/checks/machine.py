"""The machine as a whole: its system, its user and sudo, and what it has of what the playbook asks for."""

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

_HOMEBREW = "https://brew.sh says how to install it; then `brew bundle` in this repository installs the rest"
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


def system(host: Host) -> Iterator[Finding]:
    """macOS or Linux: minikube's drivers for others are unknown to this tool."""
    seen = f"macOS {host.macos_version}" if host.is_mac else host.system
    yield Finding("operating system", host.system in ("Darwin", "Linux"), seen, "use macOS or Linux")


def architecture(host: Host) -> Iterator[Finding]:
    """Under Rosetta what is for both processors runs as amd64: slowly, and virtual machines not at all."""
    if host.architecture not in ("amd64", "arm64"):
        yield Finding("architecture", False, host.architecture, "use a machine with x86-64 or arm64 processors")
    elif host.is_mac and (host.facts.get("sysctl.proc_translated") == "1" or host.python != host.architecture):
        seen = "arm64, but this Python runs under Rosetta, as amd64; what it starts may do so, too"
        remedy = (
            "in the terminal's Get Info window switch `Open using Rosetta` off; then a virtual environment of an arm64 "
            f"Python:\narch -arm64 {host.prefix}/bin/python3 -m venv .venv && . .venv/bin/activate && "
            "pip install -c requirements/lock.txt -e ."
        )
        yield Finding("architecture", False, seen, remedy, fatal=False)
    else:
        yield Finding("architecture", True, host.architecture)


def hypervisor(host: Host) -> Iterator[Finding]:
    """Inside another virtual machine macOS may have no Hypervisor framework; qemu then has no `hvf`."""
    if host.is_mac and host.facts.get("kern.hv_support") == "0":
        seen = "this macOS has no Hypervisor framework: qemu would end with `-accel hvf: Unknown Error`"
        yield Finding("hypervisor", False, seen, "use a Mac itself, not a virtual machine on one")


def homebrew(host: Host) -> Iterator[Finding]:
    """A Homebrew for Intel, brought along from an older Mac, installs amd64 programs without a word."""
    if not host.is_mac:
        return
    if host.brew is None:
        yield Finding("Homebrew", False, "isn't installed", _HOMEBREW, fatal=False)
    elif host.architecture == "arm64" and host.has_intel_brew:
        seen = f"{host.brew} is the one for Intel: what it installs is amd64"
        yield Finding("Homebrew", False, seen, f"install the one for Apple Silicon: {_HOMEBREW}", fatal=False)
    else:
        yield Finding("Homebrew", True, str(host.brew))


def user(host: Host) -> Iterator[Finding]:  # noqa: ARG001 - a check gets the host
    """minikube's files would belong to root, and most drivers refuse (kubernetes/minikube#5146)."""
    invoker = os.environ.get("SUDO_USER")
    if os.geteuid() == 0 and invoker:
        remedy = "the same command without sudo; what needs it is asked for"
        yield Finding("user", False, f"root, by sudo of {invoker}: minikube must not run as root", remedy)


def sudo(host: Host) -> Iterator[Finding]:
    """The tunnel's route needs root. Whether a password would do isn't tried: a wrong try is reported to admins.

    Whether one is asked for is tried as `up` tries it, which asks nobody.
    """
    if os.geteuid() == 0:
        return
    without = "the gateway is then reached by its NodePort instead of a tunnel"
    if host.program("sudo", "/usr/bin") is None:
        yield Finding("sudo", False, f"isn't there: {without}", "install sudo, or go on without", fatal=False)
    elif host.is_mac and "admin" not in host.ask("id", "-Gn").stdout.split():
        seen = f"this user isn't an administrator, so sudo won't work: {without}"
        yield Finding("sudo", False, seen, "use an administrator's account, or go on without", fatal=False)
    elif host.ask("sudo", "-n", "true").code == 0:
        yield Finding("sudo", True, "asks for no password now; only the tunnel's route needs it")
    else:
        yield Finding("sudo", True, "asks for a password: `up` asks for it once, for the tunnel's route")


def memory(host: Host) -> Iterator[Finding]:
    """Enough for minikube and for this machine besides; in MiB."""
    wanted, total = minikube.mebibytes(host.spec.memory), _total_mib(host)
    remedy = "in the playbook: cluster: {memory: 6144mb}"
    asked = f"the playbook asks for {wanted} MiB"
    if wanted < _LEAST_MIB:
        yield Finding("memory", False, f"{asked}, minikube needs at least {_LEAST_MIB} MiB", remedy)
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
