"""macOS: the file by which this machine asks the cluster's DNS for the cluster's names, as `minikube tunnel` writes it.

(minikube: pkg/minikube/tunnel/route_darwin.go writeResolverFile, which writes it only when it adds the route.)
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from canarylab.providers.minikube.vm import Vm

FOLDER = Path("/etc/resolver")


def path(vm: Vm) -> Path:
    """The file for the cluster's domain (resolver(5) of macOS)."""
    return FOLDER / vm.domain


def content(vm: Vm) -> str:
    """What the file holds, as minikube writes it."""
    return f"nameserver {vm.dns}\nsearch_order 1\n"


def is_wanted(vm: Vm) -> bool:
    """Whether it has to be written. One that says something else is another cluster's, and stays."""
    return platform.system() == "Darwin" and not path(vm).exists()


def is_ours(vm: Vm) -> bool:
    """Whether it is there and says what this cluster's would."""
    try:
        return path(vm).read_text() == content(vm)
    except OSError:
        return False


def write(vm: Vm, privileged: Callable[[Sequence[str]], object]) -> None:
    """Put the file in place; `privileged` runs a command as root."""
    with tempfile.NamedTemporaryFile("w", prefix="canarylab-resolver-") as file:
        file.write(content(vm))
        file.flush()
        Path(file.name).chmod(0o644)
        privileged(["mkdir", "-p", str(FOLDER)])
        privileged(["cp", "-fp", file.name, str(path(vm))])


def remove_argv(vm: Vm) -> list[str]:
    """The command, for root, that removes the file."""
    return ["rm", "-f", str(path(vm))]
