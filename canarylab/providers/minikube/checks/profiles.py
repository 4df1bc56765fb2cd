"""minikube's profiles as its quick list shows them: no virtual machine is asked, which may take minutes."""

from __future__ import annotations

from canarylab.providers.minikube import processes, vm
from canarylab.providers.minikube.checks.host import Host
from canarylab.tools import minikube
from canarylab.tools.minikube import Profile

_PID_FILES = {"qemu2": "qemu.pid", "vfkit": "vfkit.pid", "krunkit": "krunkit.pid"}
"""Driver to the file in the machine's folder that has the virtual machine's process."""


def profiles(host: Host) -> dict[str, Profile]:
    """The valid ones by name; none where there is no minikube."""
    if host.program(minikube.PROGRAM) is None:
        return {}
    return minikube.parse_profiles(host.version(*minikube.profile_list()).stdout)


def runs(host: Host, profile: Profile) -> bool:
    """Whether the virtual machine's process is there, and is what it is said to be."""
    file = vm.home() / "machines" / profile.name / _PID_FILES.get(profile.driver, "-")
    pid = file.read_text().strip() if file.is_file() else ""
    process = processes.find(host.ctx.runner, int(pid)) if pid.isdigit() else None
    return process is not None and any(str(file.parent) in word for word in process.words)
