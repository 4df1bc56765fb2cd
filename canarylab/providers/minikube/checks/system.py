"""The machine as a whole: its system, its processor, its user, and whether sudo works."""

from __future__ import annotations

import os
from collections.abc import Iterator

from canarylab.contract.provider import Finding
from canarylab.providers.minikube.checks.host import Host

_HOMEBREW = "https://brew.sh says how to install it; then `brew bundle` in this repository installs the rest"


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
        yield Finding("user", False, f"root, by sudo of {invoker}: minikube isn't for root", remedy)


def sudo(host: Host) -> Iterator[Finding]:
    """The tunnel's route needs root. Whether a password would do isn't tried: a wrong try is reported to admins."""
    if os.geteuid() == 0:
        return
    without = "the gateway is then reached by its NodePort instead of a tunnel"
    if host.program("sudo", "/usr/bin") is None:
        yield Finding("sudo", False, f"isn't there: {without}", "install sudo, or go on without", fatal=False)
    elif host.is_mac and "admin" not in host.ask("id", "-Gn").stdout.split():
        seen = f"this user is no administrator, so sudo won't do: {without}"
        yield Finding("sudo", False, seen, "work as an administrator, or go on without", fatal=False)
    else:
        yield Finding("sudo", True, "asked for once, for the tunnel's route")
