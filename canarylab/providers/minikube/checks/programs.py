"""The programs that `up` calls: there, new enough, and for this processor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from canarylab.contract.provider import Finding
from canarylab.providers.minikube.checks.executable import architectures
from canarylab.providers.minikube.checks.host import Host, command_line, fixable
from canarylab.tools.runner import tail


@dataclass(frozen=True)
class HostProgram:
    """One program, as programs.yaml describes it."""

    name: str
    argv: Sequence[str]
    formula: str
    site: str
    least: str = "0"
    too_old: str = ""
    old_is_fatal: bool = False
    required: bool = True
    sign: str = ""


ALL = tuple(HostProgram(**entry) for entry in yaml.safe_load(Path(__file__).with_name("programs.yaml").read_text()))


def program(which: HostProgram, host: Host) -> Iterator[Finding]:
    """The check of one program."""
    path = host.program(which.name)
    if path is None:
        seen = "isn't on the PATH"
        seen += "" if which.required else ": the tool does without it, its users rarely"
        otherwise = f"{which.site} says how to install it"
        yield fixable(which.name, seen, host.brewed("install", which.formula), otherwise, fatal=which.required)
    else:
        yield wrong_architecture(host, which.name, path, which.formula, which.sign) or _version(host, which, path)


def _version(host: Host, which: HostProgram, path: Path) -> Finding:
    answer = host.ask(path, *which.argv)
    version = semantic(answer.stdout)
    if not version:
        said = tail(answer.stderr or answer.stdout, 1) or f"ended with {answer.code}"
        seen = f"{path} doesn't say its version: {said}"
        return fixable(which.name, seen, host.brewed("reinstall", which.formula), which.site, fatal=False)
    if numbers(version) < numbers(which.least):
        seen = f"{version} at {path}: {which.too_old}"
        upgrade = host.brewed("upgrade", which.formula)
        return fixable(which.name, seen, upgrade, which.site, fatal=which.old_is_fatal)
    return Finding(which.name, True, f"{version} at {path}")


def semantic(text: str) -> str:
    """The first version in a text or in JSON, such as 1.38.1; "" where there is none."""
    found = re.search(r"v?(\d+(?:\.\d+)+)", text)
    return found.group(1) if found else ""


def numbers(version: str) -> list[int]:
    """A version's numbers, to be compared."""
    return [int(part) for part in version.split(".")]


def wrong_architecture(host: Host, subject: str, path: Path, formula: str, sign: str) -> Finding | None:
    """The finding about a program that isn't for this machine's processor; None for one that is, or can't be read.

    On Apple Silicon it runs under Rosetta, until it wants a virtual machine (kubernetes/minikube#17020, #18712).
    `sign` is what then is seen; "" for a program that wants none.
    """
    built = architectures(path)
    if not built or host.architecture in built:
        return None
    seen = f"{path} is {' and '.join(built)}, this machine is {host.architecture}"
    if not host.is_mac:
        return Finding(subject, False, f"{seen}: it doesn't run here", f"install the one for {host.architecture}")
    seen += f": under Rosetta there are no virtual machines ({sign})" if sign else ": it runs under Rosetta, slower"
    command = () if host.has_intel_brew else host.brewed("reinstall", formula)
    install = command_line(command) or f"install {formula} with a Homebrew for {host.architecture} (https://brew.sh)"
    remedy = f'{install}\nthen its folder first on the PATH: export PATH="{host.prefix}/bin:$PATH"'
    return Finding(subject, False, seen, remedy, fatal=bool(sign), fix=command)
