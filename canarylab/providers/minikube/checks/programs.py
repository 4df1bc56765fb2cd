"""The programs that `up` calls: there, new enough, and for this processor."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from canarylab.contract.provider import Finding
from canarylab.providers.minikube.checks.executable import architectures
from canarylab.providers.minikube.checks.host import Host, fixable, shown
from canarylab.tools.runner import tail

Version = tuple[int, ...]


@dataclass(frozen=True)
class HostProgram:
    """One program: how it says its version, the oldest that will do, and what Homebrew calls it."""

    name: str
    argv: tuple[str, ...]
    version: Callable[[str], str]
    formula: str
    site: str
    """Where its makers say how it is installed without Homebrew."""
    least: Version = ()
    too_old: str = ""
    """What goes wrong with an older one."""
    old_is_fatal: bool = False
    required: bool = True
    sign: str = ""
    """What is seen where one for another processor is to make a virtual machine."""


def semantic(text: str) -> str:
    """The first version in a text, such as 1.38.1; "" where there is none."""
    found = re.search(r"v?(\d+(?:\.\d+)+)", text)
    return found.group(1) if found else ""


def _json_version(*keys: str) -> Callable[[str], str]:
    def read(output: str) -> str:
        value = json.loads(output)
        for key in keys:
            value = value[key]
        return semantic(str(value))

    return read


MINIKUBE = HostProgram(
    "minikube",
    ("version", "-o", "json"),
    _json_version("minikubeVersion"),
    "minikube",
    "https://minikube.sigs.k8s.io/docs/start",
    least=(1, 38),
    too_old="this tool was written for 1.38 and later; an older one may not know the Kubernetes version it asks for",
    sign="`qemu-system-x86_64: -accel hvf: Unknown Error`",
)
HELM = HostProgram(
    "helm",
    ("version", "--template", "{{.Version}}"),
    semantic,
    "helm",
    "https://helm.sh/docs/intro/install",
    least=(3, 13),
    too_old="an older one can't label a release (--labels), by which this tool knows its own",
    old_is_fatal=True,
)
PLUGIN = HostProgram(
    "kubectl-argo-rollouts",
    ("version", "--short"),
    semantic,
    "argoproj/tap/kubectl-argo-rollouts",
    "https://argoproj.github.io/argo-rollouts/installation",
    least=(1, 8),
    too_old="this tool was written for 1.8 and later",
)
KUBECTL = HostProgram(
    "kubectl",
    ("version", "--client", "-o", "json"),
    _json_version("clientVersion", "gitVersion"),
    "kubernetes-cli",
    "https://kubernetes.io/docs/tasks/tools",
    required=False,
)
ALL = (MINIKUBE, HELM, KUBECTL, PLUGIN)


def program(which: HostProgram) -> Callable[[Host], Iterator[Finding]]:
    """The check of one program."""

    def check(host: Host) -> Iterator[Finding]:
        path = host.program(which.name)
        yield _missing(host, which) if path is None else _present(host, which, path)

    return check


def _missing(host: Host, which: HostProgram) -> Finding:
    seen = "isn't on the PATH" if which.required else "isn't on the PATH: the tool does without it, its users rarely"
    otherwise = f"{which.site} says how to install it"
    return fixable(which.name, seen, host.brewed("install", which.formula), otherwise, fatal=which.required)


def _present(host: Host, which: HostProgram, path: Path) -> Finding:
    built = architectures(path)
    if foreign(host, built):
        return wrong_architecture(host, which.name, path, built, which.formula, which.sign)
    answer = host.version(path, *which.argv)
    try:
        version = which.version(answer.stdout)
    except (ValueError, KeyError, TypeError):
        version = ""
    if not version:
        said = tail(answer.stderr or answer.stdout, 1) or f"ended with {answer.code}"
        seen = f"{path} doesn't say its version: {said}"
        return fixable(which.name, seen, host.brewed("reinstall", which.formula), which.site, fatal=False)
    if numbers(version) < which.least:
        seen = f"{version} at {path}: {which.too_old}"
        upgrade = host.brewed("upgrade", which.formula)
        return fixable(which.name, seen, upgrade, which.site, fatal=which.old_is_fatal)
    return Finding(which.name, True, f"{version} at {path}")


def numbers(version: str) -> Version:
    """1.38.1 as (1, 38, 1), to compare."""
    return tuple(int(part) for part in version.split("."))


def foreign(host: Host, built: tuple[str, ...]) -> bool:
    """Whether a program of those architectures isn't for this machine; one that can't be read is trusted."""
    return bool(built) and host.architecture not in built


def wrong_architecture(  # noqa: PLR0917 - all of it is said
    host: Host, name: str, path: Path, built: tuple[str, ...], formula: str, sign: str
) -> Finding:
    """On Apple Silicon it runs under Rosetta, until it wants a virtual machine (kubernetes/minikube#17020, #18712).

    `sign` is what then is seen; "" for a program that wants none.
    """
    seen = f"{path} is {' and '.join(built)}, this machine is {host.architecture}"
    if not host.is_mac:
        return Finding(name, False, f"{seen}: it doesn't run here", f"install the one for {host.architecture}")
    seen += f": under Rosetta there are no virtual machines ({sign})" if sign else ": it runs under Rosetta, slower"
    native = host.brew is not None and not host.brew.is_relative_to(host.file("/usr/local"))
    command = host.brewed("reinstall", formula) if native else ()
    install = shown(command) or f"install {formula} with a Homebrew for {host.architecture} (https://brew.sh)"
    remedy = f'{install}\nthen its folder first on the PATH: export PATH="{host.prefix}/bin:$PATH"'
    return Finding(name, False, seen, remedy, fatal=bool(sign), fix=command)
