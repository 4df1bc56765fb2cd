"""minikube: its command lines, and what it prints. Pure: nothing is started here."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canarylab.errors import StageError

PROGRAM = "minikube"

ENVIRONMENT = {
    "LC_ALL": "C",  # its words are translated otherwise, and couldn't be recognised
    "MINIKUBE_IN_STYLE": "false",
    "MINIKUBE_WANTUPDATENOTIFICATION": "false",
    "MINIKUBE_WANTREPORTERRORPROMPT": "false",
}
"""Laid over this process' own wherever minikube is started: plain words, no questions."""

ANY_CODE = tuple(range(-64, 256))
"""For the runner's `ok`: what an exit code means is for `explain` to say. Below 0: ended by that signal."""

USAGE, CLUSTER_MISSING = 14, 85
"""Exit codes of a wrong flag or key (and of `image` without a profile), and of a profile that isn't there."""

DEFAULT_SERVICE_RANGE = "10.96.0.0/12"
_EVENT_PREFIX = "io.k8s.sigs.minikube."
_BUILTIN_ADDRESS = "10.0.2.15"
"""What every VM on qemu's builtin network has: nothing outside it can reach it there."""


@dataclass(frozen=True)
class StartOptions:
    """What `start` is given. None leaves it to minikube."""

    kubernetes: str
    container_runtime: str
    memory: str
    cpus: int
    driver: str | None = None
    network: str | None = None
    service_range: str | None = None


@dataclass(frozen=True)
class Minikube:
    """Command lines for one profile, always named: never the one that is minikube's setting."""

    profile: str

    def _argv(self, *words: str | Path) -> list[str]:
        return [PROGRAM, "-p", self.profile, *map(str, words)]

    def start(self, options: StartOptions, *, wait_seconds: float) -> list[str]:
        """Create, start or repair the cluster; the user's current context stays. Prints one JSON event a line."""
        given = {
            "memory": options.memory,
            "cpus": options.cpus,
            "kubernetes-version": options.kubernetes,
            "container-runtime": options.container_runtime,
            "driver": options.driver,
            "network": options.network,
            "service-cluster-ip-range": options.service_range,
        }
        flags = [f"--{name}={value}" for name, value in given.items() if value not in (None, "")]
        waiting = ("--wait=apiserver,default_sa,node_ready,system_pods", f"--wait-timeout={int(wait_seconds)}s")
        return self._argv("start", *flags, *waiting, "--keep-context", "--output=json", "--interactive=false")

    def unpause(self) -> list[str]:
        """Let a paused cluster go on."""
        return self._argv("unpause", "--output=json")

    def status(self) -> list[str]:
        """How the nodes are, for `parse_status`."""
        return self._argv("status", "--output=json")

    def delete(self) -> list[str]:
        """Delete the profile with its machine."""
        return self._argv("delete", "--output=json")

    def tunnel(self) -> list[str]:
        """Run the tunnel in the foreground, until SIGINT. Prints blocks for `parse_tunnel`."""
        return self._argv("tunnel")

    def image_build(self, folder: Path, reference: str, arguments: Mapping[str, str], runtime: str) -> list[str]:
        """Build on every node, by the node's own builder: each takes build arguments in its own form.

        minikube puts `--` before a build option and hands it on: to `buildctl build`, or to `docker build`.
        """
        form = "opt=build-arg:{}={}" if runtime == "containerd" else "build-arg={}={}"
        options = [f"--build-opt={form.format(key, value)}" for key, value in arguments.items()]
        return self._argv("image", "build", "--all", f"--tag={reference}", "--file=Containerfile", *options, folder)

    def image_list(self) -> list[str]:
        """The images that the nodes have, for `parse_images`."""
        return self._argv("image", "ls", "--format", "json")

    def image_save(self, reference: str, archive: Path) -> list[str]:
        """Write an image to an archive on this machine."""
        return self._argv("image", "save", reference, archive)

    def image_remove(self, reference: str) -> list[str]:
        """Remove an image from the nodes. Ends with 0 whatever happens."""
        return self._argv("image", "rm", reference)

    def addons(self, *words: str) -> list[str]:
        """`list -o json` for `parse_addons`, by minikube's own notes of the profile: the cluster isn't asked.

        `enable ADDON` applies its objects, also where it is enabled already, and doesn't wait for what they start;
        `disable ADDON` deletes them.
        """
        return self._argv("addons", *words)


def profile_list() -> list[str]:
    """All profiles with their configuration. Light: their clusters aren't asked how they are."""
    return [PROGRAM, "profile", "list", "--light", "--output=json"]


def version() -> list[str]:
    """For `parse_version`."""
    return [PROGRAM, "version", "-o", "json"]


def config_get(key: str) -> list[str]:
    """Ends with USAGE where it isn't set."""
    return [PROGRAM, "config", "get", key]


def config_set(key: str, value: str) -> list[str]:
    """Change one of minikube's own settings, which hold for all profiles."""
    return [PROGRAM, "config", "set", key, value]


# -- what it prints ---------------------------------------------------------------------------------------------------


def parse_version(output: str) -> str:
    """Such as 1.38.1; "" where it doesn't say. A build of its main branch says the version of the last release."""
    found = re.search(r'"minikubeVersion":\s*"v?([^"]+)"', output)
    return found[1] if found else ""


_NODE_PARTS = ("Name", "Host", "Kubelet", "APIServer", "Kubeconfig", "Worker")


@dataclass(frozen=True)
class NodeStatus:
    """One node: each part Running, Stopped, Paused, ..."""

    name: str
    host: str
    kubelet: str
    apiserver: str
    kubeconfig: str
    worker: bool


def parse_status(output: str) -> list[NodeStatus]:
    """The nodes: an object, an array from two nodes on; none where the machine (`null`) or the profile is gone."""
    try:
        found = json.loads(output)
    except ValueError:
        return []
    nodes = found if isinstance(found, list) else [found]
    there = [node for node in nodes if isinstance(node, dict) and "Host" in node]
    return [NodeStatus(*(node[part] for part in _NODE_PARTS)) for node in there]


@dataclass(frozen=True)
class Profile:
    """What a profile was made with. `memory` is in MiB; `driver` is minikube's own name for it, such as qemu2."""

    name: str
    driver: str
    memory: int
    cpus: int
    network: str
    kubernetes: str
    container_runtime: str
    service_range: str
    addresses: tuple[str, ...]
    """Of its nodes."""

    @property
    def is_unreachable(self) -> bool:
        """Whether its machine is on qemu's builtin network, whatever the configuration says by now."""
        return _BUILTIN_ADDRESS in self.addresses


def parse_profiles(output: str) -> dict[str, Profile]:
    """The valid ones by name. What a dry run or a start that was killed early left is none."""
    try:
        listed = json.loads(output).get("valid") or []
    except (ValueError, AttributeError):
        return {}
    return {entry["Name"]: _profile(entry["Name"], entry["Config"]) for entry in listed if entry.get("Config")}


def _profile(name: str, config: Mapping[str, Any]) -> Profile:
    kubernetes = config.get("KubernetesConfig") or {}
    return Profile(
        name=name,
        driver=config.get("Driver", ""),
        memory=int(config.get("Memory") or 0),
        cpus=int(config.get("CPUs") or 0),
        network=config.get("Network") or "",
        kubernetes=kubernetes.get("KubernetesVersion", ""),
        container_runtime=kubernetes.get("ContainerRuntime", ""),
        service_range=kubernetes.get("ServiceCIDR") or DEFAULT_SERVICE_RANGE,
        addresses=tuple(node["IP"] for node in config.get("Nodes") or [] if node.get("IP")),
    )


@dataclass(frozen=True)
class Event:
    """One line of `--output=json`. `kind` is step, info, warning, download, download.progress or error."""

    kind: str
    data: Mapping[str, str]

    @property
    def message(self) -> str:
        """What it says; "" for events without words, such as a download's progress."""
        return self.data.get("message", "")

    @property
    def step(self) -> tuple[int, int] | None:
        """The current step and how many there are; None on a detour, where minikube doesn't count."""
        current, total = self.data.get("currentstep", ""), self.data.get("totalsteps", "")
        return (int(current), int(total)) if current.isdigit() and total.isdigit() else None


def parse_event(line: str) -> Event | None:
    """None for whatever isn't an event: qemu and others print into it."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
        kind = str(found["type"])
        data = {str(key): str(value) for key, value in found["data"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Event(kind.removeprefix(_EVENT_PREFIX), data) if kind.startswith(_EVENT_PREFIX) else None


@dataclass(frozen=True)
class Reason:
    """Why minikube gave up, in its own words."""

    id: str
    message: str
    advice: str = ""
    links: tuple[str, ...] = ()


def reason_of(output: str, code: int) -> Reason | None:
    """The reason among events or plain words that belongs to this exit code.

    With `--force` there are reasons that ended nothing: their codes aren't the one it ended with.
    """
    events = filter(None, map(parse_event, output.splitlines()))
    named = [event for event in events if event.kind == "error" and event.data.get("exitcode") == str(code)]
    if named:
        data = named[-1].data
        links = tuple(re.findall(r"https?://[^\s,\]]+", f"{data.get('url', '')} {data.get('issues', '')}"))
        return Reason(data.get("name", ""), named[-1].message, data.get("advice", ""), links)
    plain = re.search(r"Exiting due to ([A-Z0-9_]+): (.*)", output)
    if plain is None:
        return None
    advice = re.search(r"^\s*\* Suggestion: (.*)", output, re.MULTILINE)
    return Reason(plain[1], plain[2].strip(), advice[1].strip() if advice else "")


def plain(output: str) -> str:
    """What it printed with each event replaced by its message."""
    lines = ((parse_event(line), line) for line in output.splitlines())
    return "\n".join(event.message if event else line for event, line in lines)


def complaints(output: str) -> list[str]:
    """Errors that it printed without ending: those that aren't a reason, such as a VM that it couldn't delete."""
    events = filter(None, map(parse_event, output.splitlines()))
    return [event.message for event in events if event.kind == "error" and event.message]


@dataclass(frozen=True)
class ListedImage:
    """One image that the nodes have. `id` is without its `sha256:`."""

    id: str
    tags: tuple[str, ...]


def parse_images(output: str) -> list[ListedImage]:
    """What `image ls --format json` printed; none for an empty output."""
    found = json.loads(output) if output.strip() else []
    return [ListedImage(each["id"].removeprefix("sha256:"), tuple(each.get("repoTags") or ())) for each in found or []]


def parse_addons(text: str) -> dict[str, bool]:
    """Whether each addon that this minikube knows is enabled. Raises StageError for anything else than that list."""
    try:
        return {name: addon["Status"] == "enabled" for name, addon in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise StageError(
            "minikube's list of addons can't be read",
            why=f"it begins with {text[:60]!r}",
            remedy="`minikube version` says which one it is; this tool knows the list of 1.38",
        ) from error


@dataclass(frozen=True)
class TunnelBlock:
    """What `tunnel` prints of itself whenever something changes: the destination is reached through the gateway."""

    machine: str
    pid: int
    destination: str
    gateway: str
    minikube: str
    services: tuple[str, ...]
    errors: Mapping[str, str]
    """By part: minikube, router, loadbalancer emulator; parts without errors are left out."""


_TUNNEL = re.compile(
    r"Status:\s*\n\s*machine: (.*)\n\s*pid: (\d+)\n\s*route: (\S+) -> (\S+)\n"
    r"\s*minikube: (.*)\n\s*services: \[(.*)\]\n\s*errors:[ \t]*\n"
    r"((?:(?!Status:).*\n)*?[ \t]+loadbalancer emulator: .*(?:\n|$))"
)

_PARTS = r"[ \t]+(minikube|router|loadbalancer emulator): "
_PART = re.compile(rf"^{_PARTS}(.*(?:\n(?!{_PARTS}).*)*)", re.MULTILINE)
"""A part with its error, which may go on for many lines, as ifconfig's words do (kubernetes/minikube#13749)."""


def parse_tunnel(output: str) -> TunnelBlock | None:
    """The last whole block of what it printed so far."""
    blocks = list(_TUNNEL.finditer(output))
    if not blocks:
        return None
    machine, pid, destination, gateway, state, services, said = blocks[-1].groups()
    errors = {found[1]: found[2].strip() for found in _PART.finditer(said)}
    wrong = {part: error for part, error in errors.items() if error != "no errors"}
    names = tuple(re.findall(r"[^\s,]+", services))
    return TunnelBlock(machine.strip(), int(pid), destination, gateway, state.strip(), names, wrong)


# -- values -----------------------------------------------------------------------------------------------------------

_UNITS = {"": 1 << 20, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_ALIASES = {"qemu": "qemu2", "kvm": "kvm2", "generic": "ssh", "native": "none", "user": "builtin"}


def mebibytes(size: str) -> int:
    """`8192mb`, `8g` or a bare `8192` in MiB, as minikube reads it."""
    match = re.fullmatch(r"(\d+)([bkmg]?)b?", size.lower())
    if match is None:
        raise ValueError(f"{size!r} isn't a size")
    return int(match[1]) * _UNITS[match[2]] >> 20


def own_name(alias: str) -> str:
    """minikube's own name of a driver or a network, which is what a profile holds."""
    return _ALIASES.get(alias, alias)


def free_service_range(taken: Iterable[str]) -> str | None:
    """A range for Services that overlaps none of `taken`; None where minikube's default is free.

    Two tunnels with one range would need two routes to the same addresses: minikube says `conflicting route`.
    """
    others = [ipaddress.ip_network(each, strict=False) for each in taken]
    for second in (96, *range(112, 240, 16)):
        candidate = ipaddress.ip_network(f"10.{second}.0.0/12")
        if not any(candidate.overlaps(other) for other in others if other.version == candidate.version):
            return None if str(candidate) == DEFAULT_SERVICE_RANGE else str(candidate)
    return None
