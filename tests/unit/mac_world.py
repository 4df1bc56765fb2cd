"""A Mac laid out in a folder, on which everything is well; tests spoil one thing each."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from minikube_standin.home import Home, new_profile
from support.fake_runner import FakeRunner
from support.minikube_program import minikube
from support.runs import context_of

from canarylab.contract.playbook import ClusterSpec
from canarylab.contract.provider import Finding
from canarylab.providers.minikube import doctor, processes
from canarylab.providers.minikube.checks import host, machine, socket_vmnet
from canarylab.providers.minikube.processes import Process
from canarylab.report import findings as report
from canarylab.report.lines import all_text
from canarylab.report.marks import UNICODE
from canarylab.tools.runner import Result

ARM64 = bytes.fromhex("cffaedfe0c000001") + bytes(24)
AMD64 = bytes.fromhex("cffaedfe07000001") + bytes(24)
GIB = 1 << 30
ROUTES = """Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            192.168.1.1        UGScg                 en0
127                127.0.0.1          UCS                   lo0
127.0.0.1          127.0.0.1          UH                    lo0
169.254            link#11            UCS                   en0      !
192.168.1          link#11            UCS                   en0      !
192.168.1.1/32     link#11            UCS                   en0      !
"""
BLOCKED = """Total number of apps = 2
1 : /usr/sbin/cupsd
             (Allow incoming connections)
2 : /usr/libexec/bootpd
             (Block incoming connections)
"""


def failing(text: str, code: int = 1) -> Any:
    return Result("", text, code, 0.0)


def profile(name: str, *addresses: str, services: str = "10.96.0.0/12", driver: str = "qemu2") -> dict[str, Any]:
    """A profile's configuration."""
    config = {**new_profile(), "Name": name, "Driver": driver, "Network": "socket_vmnet", "Memory": 8192, "CPUs": 4}
    config["KubernetesConfig"]["ServiceCIDR"] = services
    config["Nodes"] = [{"IP": address, "ControlPlane": True} for address in addresses]
    return config


class Mac:
    """`spec` is what the playbook wants, `answers` what programs say, `root` where the system's files lie."""

    def __init__(self, root: Path, monkeypatch: Any) -> None:
        self.root = root
        self.monkeypatch = monkeypatch
        self.spec = ClusterSpec(profile="unit-test", driver="qemu", network="socket_vmnet")
        self.errnos: dict[str, int] = {}
        self.sysctl = {"hw.memsize": str(16 * GIB), "hw.ncpu": "10", "hw.optional.arm64": "1", "kern.hv_support": "1"}
        self.answers: dict[str, Any] = {
            "sw_vers -productVersion": "15.3\n",
            "minikube profile list --light --output=json": self._minikube(
                "profile", "list", "--light", "--output=json"
            ),
            "netstat -nr -f inet": ROUTES,
            "id -Gn": "staff everyone localaccounts admin\n",
            "sudo -n true": failing("sudo: a password is required"),
        }
        for name in ("minikube", "helm", "kubectl", "kubectl-argo-rollouts", "qemu-system-aarch64", "brew", "sudo"):
            self.put(f"opt/homebrew/bin/{name}", ARM64, mode=0o755)
        self.says("minikube version -o json", self._minikube("version", "-o", "json"))
        self.says("helm version --template {{.Version}}", "v4.1.4")
        self.says("kubectl version --client -o json", '{"clientVersion":{"gitVersion":"v1.36.1"}}')
        self.says("kubectl-argo-rollouts version --short", "kubectl-argo-rollouts: v1.10.0+d90700a\n")
        self.put("opt/homebrew/opt/qemu/share/qemu/edk2-aarch64-code.fd")
        self.put("opt/homebrew/opt/socket_vmnet/bin/socket_vmnet_client", ARM64)
        self.firewall("Firewall is disabled. (State = 0)")
        self.daemon = self.listen("opt/homebrew/var/run/socket_vmnet")
        self._stand_in()

    def _stand_in(self) -> None:
        patch = self.monkeypatch.setattr
        self.monkeypatch.setenv("PATH", str(self.root / "opt/homebrew/bin"))
        self.monkeypatch.delenv("TERM_PROGRAM", raising=False)
        self.monkeypatch.delenv("SUDO_USER", raising=False)
        self.monkeypatch.delenv("MINIKUBE_HOME", raising=False)
        self.monkeypatch.setenv("HOME", str(self.root / "Users/me"))
        patch("platform.system", lambda: "Darwin")
        patch("platform.machine", lambda: "arm64")
        patch("os.geteuid", lambda: 501)
        patch(host, "ROOT", self.root)
        patch(host.Host, "connect", lambda _, address, __: self.errnos.get(address, errno.ETIMEDOUT))
        patch(socket_vmnet, "_HANGS_UP_SECONDS", 0.01)
        patch(machine, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=100 * GIB)))

    # -- what a test may spoil ----------------------------------------------------------------------------------------

    def put(self, path: str, content: bytes = b"", mode: int = 0o644) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)
        return file

    def remove(self, path: str) -> None:
        (self.root / path).unlink()

    def says(self, line: str, answer: Any) -> None:
        """What a program of Homebrew's says."""
        self.answers[str(self.root / "opt/homebrew/bin" / line)] = answer

    def listen(self, path: str) -> socket.socket:
        """A daemon that accepts and says nothing: the kernel takes its connections on."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(file))
        listener.listen()
        return listener

    def firewall(self, state: str, *, signed: str = "ENABLED.", apps: str = "Total number of apps = 0\n") -> None:
        self.put("usr/libexec/ApplicationFirewall/socketfilterfw", mode=0o755)
        program = self.root / "usr/libexec/ApplicationFirewall/socketfilterfw"
        self.answers[f"{program} --getglobalstate"] = f"{state}\n"
        self.answers[f"{program} --getblockall"] = "Firewall has block all state set to disabled.\n"
        self.answers[f"{program} --getallowsigned"] = f"Automatically allow built-in signed software {signed}\n"
        self.answers[f"{program} --listapps"] = apps

    def has_profiles(self, *configs: dict[str, Any]) -> None:
        for config in configs:
            Home(self.root / "Users/me/.minikube").save(config)

    @staticmethod
    def _minikube(*words: str) -> Callable[[], Result]:
        """The stand-in, when it is asked."""
        return lambda: minikube(words, os.environ)

    def runs(self, name: str, address: str) -> None:
        """Its qemu runs, and bootpd gave it that address."""
        folder = self.root / "Users/me/.minikube/machines" / name
        self.put(f"Users/me/.minikube/machines/{name}/qemu.pid", b"4711\n")
        process = Process(4711, "1", "today", ("qemu-system-aarch64", "-pidfile", str(folder / "qemu.pid")))
        self.monkeypatch.setattr(processes, "find", lambda _runner, pid: process if pid == 4711 else None)
        lease = f"{{\n\tname=minikube\n\tip_address={address}\n\thw_address=1,6:d:97:a1:9d:5e\n\tlease=0x6790a1b2\n}}\n"
        self.put("var/db/dhcpd_leases", lease.encode())

    # -- what doctor makes of it --------------------------------------------------------------------------------------

    def findings(self, **spec: Any) -> list[Finding]:
        known = {**self.answers, "sysctl -i": "".join(f"{key}: {value}\n" for key, value in self.sysctl.items())}
        runner = FakeRunner(known)
        return doctor.findings(context_of(runner=runner), self.spec.model_copy(update=spec))

    def finding(self, subject: str, **spec: Any) -> Finding:
        [found] = [finding for finding in self.findings(**spec) if finding.subject == subject]
        return found


def printed(*findings: Finding) -> str:
    """As the user sees it."""
    return all_text(report.lines(findings, UNICODE))
