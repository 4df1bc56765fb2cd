"""What a check may look at: this machine's programs, files and sockets. Tests lay out a machine of their own."""

from __future__ import annotations

import errno
import platform
import shlex
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.contract.provider import Finding
from canarylab.pins import architecture
from canarylab.providers.minikube import processes, vm
from canarylab.tools import minikube
from canarylab.tools.minikube import Profile, own_name
from canarylab.tools.runner import Result

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec

ROOT = Path("/")
"""Where the system's own files are looked for."""
_SECONDS = 10.0
"""How long a program may take to answer: macOS scans a new one before it lets it run."""
_CONNECT_SECONDS = 2.0
_SYSCTL = (
    *("hw.memsize", "hw.ncpu", "hw.optional.arm64", "hw.optional.arm.FEAT_SME"),
    *("kern.hv_support", "sysctl.proc_translated"),
)
CONTAINER_DRIVERS = ("docker", "podman")
_PID_FILES = {"qemu2": "qemu.pid", "vfkit": "vfkit.pid", "krunkit": "krunkit.pid"}
"""Driver to the file in the machine's folder that has the virtual machine's process."""
_VM_DRIVERS = ("vfkit", "krunkit")
"""The drivers whose virtual machines get their address from macOS, on whatever network."""


def system_file(path: str) -> Path:
    """A file of the system by its absolute path, below `ROOT`."""
    return ROOT / path.lstrip("/")


@dataclass(frozen=True)
class Host:
    """This machine, and what the playbook wants of it."""

    ctx: Context
    spec: ClusterSpec
    system: str
    """As `platform.system()` says it."""
    python: str
    """The architecture that the running Python was built for, as Go names it."""
    macos_version: str = ""
    """Such as 15.3; "" on other systems."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What sysctl knows on a Mac."""

    @property
    def is_mac(self) -> bool:
        """Whether this machine runs macOS."""
        return self.system == "Darwin"

    @property
    def macos(self) -> int:
        """The first number of macOS' version; 0 where it isn't known."""
        first = self.macos_version.split(".")[0]
        return int(first) if first.isdigit() else 0

    @property
    def architecture(self) -> str:
        """Of the machine itself, also where Rosetta pretends another one."""
        return "arm64" if self.facts.get("hw.optional.arm64") == "1" else self.python

    @property
    def driver(self) -> str | None:
        """By minikube's own name; None, it chooses one."""
        return own_name(self.spec.driver) if self.spec.driver else None

    @property
    def network(self) -> str | None:
        """By minikube's own name; None, it chooses one."""
        return own_name(self.spec.network) if self.spec.network else None

    @property
    def needs_socket_vmnet(self) -> bool:
        """minikube takes socket_vmnet, too, where the playbook names no network and its socket is there."""
        return self.is_mac and self.driver == "qemu2" and self.network in (None, "socket_vmnet")

    @property
    def needs_dhcp(self) -> bool:
        """Whether the virtual machine gets its address from macOS' own bootpd."""
        return self.needs_socket_vmnet or (self.is_mac and self.driver in _VM_DRIVERS)

    def ask(self, *argv: str | Path) -> Result:
        """What a program prints, whatever it ends with. Raises CommandError where it doesn't end in time."""
        return self.ctx.runner.run(argv, timeout=_SECONDS, ok=range(256), env=minikube.ENVIRONMENT)

    def file(self, path: str) -> Path:
        """A file of the system by its absolute path, below `ROOT`."""
        return system_file(path)

    def program(self, name: str, *folders: str) -> Path | None:
        """Where a program is: on the PATH, else in one of those folders."""
        found = shutil.which(name)
        files = (self.file(f"{folder}/{name}") for folder in folders)
        return Path(found) if found else next((file for file in files if file.exists()), None)

    @staticmethod
    def connect(address: str, port: int) -> int:
        """Try a TCP connection and close it: 0, or the errno it failed with."""
        try:
            socket.create_connection((address, port), _CONNECT_SECONDS).close()
        except TimeoutError:
            return errno.ETIMEDOUT
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    # -- minikube's profiles, as its quick list shows them: no virtual machine is asked, which may take minutes --------

    def profiles(self) -> dict[str, Profile]:
        """The valid ones by name; none where there is no minikube."""
        if self.program(minikube.PROGRAM) is None:
            return {}
        return minikube.parse_profiles(self.ask(*minikube.profile_list()).stdout)

    def runs(self, profile: Profile) -> bool:
        """Whether the virtual machine's process is there, and is what it is said to be."""
        file = vm.home() / "machines" / profile.name / _PID_FILES.get(profile.driver, "-")
        pid = file.read_text().strip() if file.is_file() else ""
        process = processes.find(self.ctx.runner, int(pid)) if pid.isdigit() else None
        return process is not None and any(str(file.parent) in word for word in process.words)

    # -- Homebrew -----------------------------------------------------------------------------------------------------

    @property
    def prefix(self) -> str:
        """Where Homebrew keeps what is built for this machine."""
        return "/opt/homebrew" if self.architecture == "arm64" else "/usr/local"

    @property
    def brew(self) -> Path | None:
        """Homebrew's program: the one for this machine, else any; None without one."""
        native = self.file(f"{self.prefix}/bin/brew")
        return native if native.exists() else self.program("brew", "/usr/local/bin")

    @property
    def has_intel_brew(self) -> bool:
        """Whether there is none but that for Intel, whose folder is another."""
        return self.brew is not None and self.brew.is_relative_to(self.file("/usr/local"))

    def brewed(self, *words: str) -> tuple[str, ...]:
        """The command of Homebrew that `doctor --fix` runs; () where there is no Homebrew."""
        return (str(self.brew), *words) if self.brew else ()


def look(ctx: Context, spec: ClusterSpec) -> Host:
    """What all checks ask for, asked once."""
    host = Host(ctx, spec, platform.system(), architecture())
    if not host.is_mac:
        return host
    # `-i` passes over what this macOS doesn't know.
    facts = parse_sysctl(host.ask("sysctl", "-i", *_SYSCTL).stdout)
    version = ctx.runner.run(["sw_vers", "-productVersion"], timeout=_SECONDS).stdout.strip()
    return replace(host, macos_version=version, facts=facts)


def parse_sysctl(output: str) -> dict[str, str]:
    """`hw.ncpu: 10`, one a line."""
    pairs = (line.split(":", 1) for line in output.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def command_line(command: tuple[str, ...], *, sudo: bool = False) -> str:
    """A command line that can be pasted."""
    return f"{'sudo ' if sudo else ''}{shlex.join(command)}"


def fixable(
    subject: str, seen: str, command: tuple[str, ...], otherwise: str = "", *, fatal: bool = True, sudo: bool = False
) -> Finding:
    """A finding that `doctor --fix` can fix by that command; where there is none, `otherwise` says what to do."""
    remedy = command_line(command, sudo=sudo) if command else otherwise
    return Finding(subject, False, seen, remedy, fatal=fatal, fix=command, needs_root=sudo and bool(command))
