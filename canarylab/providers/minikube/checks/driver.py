"""What the playbook's driver needs: qemu and its firmware, or the program of another one, and whether it answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from canarylab.contract.provider import Finding
from canarylab.providers.minikube.checks.host import CONTAINER_DRIVERS, Host, fixable
from canarylab.providers.minikube.checks.programs import numbers, semantic, wrong_architecture
from canarylab.providers.minikube.checks.vmnet_helper import helper_network
from canarylab.tools.runner import tail

_PROCESSOR = {"arm64": "aarch64", "amd64": "x86_64"}
"""Go's name to qemu's."""
_FORMULAS = {"vfkit": "vfkit", "krunkit": "libkrun/krun/krunkit"}
_LAST_WITHOUT_SME = [9, 2, 1]
_INVALID = "`-accel hvf: invalid accelerator hvf`"


def driver(host: Host) -> Iterator[Finding]:
    """What the playbook's driver needs on this machine; minikube's own choice isn't checked."""
    if host.driver == "qemu2":
        name = f"qemu-system-{_PROCESSOR.get(host.architecture, host.architecture)}"
        otherwise = "install qemu with the package manager"
        yield _program(host, "qemu", name, "qemu", sign=_INVALID, otherwise=otherwise)
        if host.is_mac and (path := host.program(name)):
            yield _firmware(host)
            yield from _knows_the_processor(host, path)
    elif host.driver in CONTAINER_DRIVERS:
        yield _engine(host, host.driver)
    elif host.driver == "kvm2":
        yield _kvm(host)
    elif host.driver in _FORMULAS:
        name, formula = host.driver, _FORMULAS[host.driver]
        sign, otherwise = "the hypervisor refuses it", f"install {name}"
        yield _program(host, "driver", name, formula, sign=sign, otherwise=otherwise)
        yield from helper_network(host)
    else:
        seen = f"{host.driver}: minikube checks it when it starts" if host.driver else "none named: minikube chooses"
        yield Finding("driver", True, seen)


def _program(host: Host, subject: str, name: str, formula: str, *, sign: str, otherwise: str) -> Finding:
    path = host.program(name)
    if path is None:
        return fixable(subject, f"{name} isn't on the PATH", host.brewed("install", formula), otherwise)
    return wrong_architecture(host, subject, path, formula, sign) or Finding(subject, True, str(path))


def _knows_the_processor(host: Host, path: Path) -> Iterator[Finding]:
    """SME came with the M4 and macOS 15.2; qemu 9.2.1 is the newest that was seen to end of it (lima-vm/lima#3226)."""
    if host.facts.get("hw.optional.arm.FEAT_SME") != "1":
        return
    version = semantic(host.ask(path, "--version").stdout)
    if version and numbers(version) <= _LAST_WITHOUT_SME:
        seen = (
            f"{version}, and this processor has SME: with such a qemu `Property 'host-arm-cpu.sme' not found` was seen "
            "(kubernetes/minikube#20169)"
        )
        otherwise = "install a newer qemu; or in the playbook: cluster: {driver: vfkit, network: nat}"
        yield fixable("qemu version", seen, host.brewed("upgrade", "qemu"), otherwise, fatal=False)


def _firmware(host: Host) -> Finding:
    """minikube looks for it in Homebrew's folder and nowhere else (its driver `qemu2`); MacPorts has another."""
    name = f"edk2-{_PROCESSOR[host.architecture]}-code.fd"
    file = host.file(f"{host.prefix}/opt/qemu/share/qemu/{name}")
    if file.is_file():
        return Finding("qemu firmware", True, str(file))
    seen = f"{file} isn't there: minikube would end with PROVIDER_QEMU2_NOT_FOUND"
    return fixable("qemu firmware", seen, host.brewed("reinstall", "qemu"), "install qemu with Homebrew")


def _engine(host: Host, name: str) -> Finding:
    if host.program(name) is None:
        return Finding("driver", False, f"{name} isn't on the PATH", f"install {name}, and start it")
    answer = host.ask(name, "info", "--format", "{{.Host.Arch}}" if name == "podman" else "{{.Architecture}}")
    if answer.code == 0:
        return Finding("driver", True, f"{name} answers ({answer.stdout.strip()})")
    said = tail(answer.stderr or answer.stdout, 1) or answer.code
    remedy = f"open -a {name.title()}" if host.is_mac else f"sudo systemctl start {name}"
    return Finding("driver", False, f"{name} doesn't answer: {said}", remedy)


def _kvm(host: Host) -> Finding:
    device = host.file("/dev/kvm")
    if not device.exists():
        remedy = "switch virtualization on in the BIOS, then: sudo modprobe kvm"
        return Finding("driver", False, f"{device} isn't there", remedy)
    if not os.access(device, os.R_OK | os.W_OK):
        remedy = 'sudo usermod -aG kvm,libvirt "$USER"   (then log in again)'
        return Finding("driver", False, f"{device} can't be opened by this user", remedy)
    if host.program("virsh") is None:
        remedy = "sudo apt-get install libvirt-daemon-system libvirt-clients"
        return Finding("driver", False, "libvirt isn't there", remedy)
    return Finding("driver", True, "kvm2: /dev/kvm and libvirt are there")
