"""What the playbook wants of a cluster, and how an existing cluster differs from it. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from canarylab.kube import kubeconfig
from canarylab.pins import pins
from canarylab.tools.minikube import NodeStatus, Profile, StartOptions, free_service_range, mebibytes, own_name

if TYPE_CHECKING:
    from canarylab.contract.playbook import ClusterSpec

Condition = Literal["missing", "half-made", "stopped", "paused", "broken", "running"]

_DEFAULT_RUNTIME = "containerd"
_MAC_NETWORKS = ("socket_vmnet", "vmnet-shared", "nat")
"""The networks of macOS' vmnet: minikube refuses them elsewhere, where a driver has its own."""


def condition_of(status: Sequence[NodeStatus]) -> tuple[Condition, str]:
    """How a cluster that minikube knows is, with the reason in words."""
    if not status:
        return "broken", "minikube knows the profile, but its machine is gone"
    for node in status:
        if node.host == "Stopped":
            return "stopped", "its machine is stopped"
        if node.host == "Paused" or "Paused" in (node.apiserver, node.kubelet):
            return "paused", "it is paused"
        parts = {"machine": node.host, "kubelet": node.kubelet}
        if not node.worker:
            parts["API server"] = node.apiserver
        wrong = [f"its {part} is {state or 'unknown'}" for part, state in parts.items() if state != "Running"]
        if wrong:
            return "broken", ", ".join(wrong)
        if node.kubeconfig == "Misconfigured":
            return "broken", f"its context in {kubeconfig.first_path()} leads elsewhere"
    return "running", ""


def differences(profile: Profile, spec: ClusterSpec, system: str) -> list[str]:
    """The settings in which the profile differs from the playbook; what that leaves open isn't compared."""
    found = []
    network = wanted_network(spec, system)
    if spec.driver and own_name(spec.driver) != profile.driver:
        found.append(f"driver {profile.driver}, not {own_name(spec.driver)}")
    if network and own_name(network) != profile.network:
        found.append(f"network {profile.network or 'of the driver'}, not {own_name(network)}")
    elif network and own_name(network) != "builtin" and profile.is_unreachable:
        found.append(f"qemu's builtin network: its machine is still at {profile.addresses[0]}, not on {network}")
    if profile.driver != "none":  # it takes what the host has
        if mebibytes(spec.memory) != profile.memory:
            found.append(f"memory {profile.memory} MiB, not {mebibytes(spec.memory)} MiB")
        if spec.cpus != profile.cpus:
            found.append(f"{profile.cpus} processors, not {spec.cpus}")
    if spec.kubernetes and not _is_version(profile.kubernetes, spec.kubernetes):
        found.append(f"Kubernetes {profile.kubernetes}, not {spec.kubernetes}")
    if spec.container_runtime and spec.container_runtime != profile.container_runtime:
        found.append(f"container runtime {profile.container_runtime}, not {spec.container_runtime}")
    wanted_range = spec.service_cluster_ip_range
    if wanted_range and ipaddress.ip_network(wanted_range) != ipaddress.ip_network(profile.service_range):
        found.append(f"Services at {profile.service_range}, not {wanted_range}")
    return found


def _is_version(there: str, wanted: str) -> bool:
    """`1.36.3`, `v1.36.3` or `1.36` are versions; minikube's own words for one, such as `stable`, say nothing."""
    if not re.fullmatch(r"v?\d+(\.\d+)*([-+].*)?", wanted):
        return True
    return f"{there}.".startswith(f"v{wanted.removeprefix('v')}.")


def wanted_network(spec: ClusterSpec, system: str) -> str | None:
    """The playbook's network, but one of macOS' only there: elsewhere the driver's own is taken."""
    return None if spec.network in _MAC_NETWORKS and system != "Darwin" else spec.network


def start_options(spec: ClusterSpec, existing: Profile | None, others: Iterable[Profile], system: str) -> StartOptions:
    """What `start` is given: for a cluster that exists, what it was made with, as a change would be half made."""
    if existing:
        return StartOptions(
            kubernetes=existing.kubernetes,
            container_runtime=existing.container_runtime,
            memory=f"{existing.memory}mb",
            cpus=existing.cpus,
            driver=existing.driver,
            network=existing.network or None,
            service_range=existing.service_range,
        )
    return StartOptions(
        kubernetes=_as_tag(spec.kubernetes) if spec.kubernetes else pins().kubernetes,
        container_runtime=spec.container_runtime or _DEFAULT_RUNTIME,
        memory=spec.memory,
        cpus=spec.cpus,
        driver=spec.driver,
        network=wanted_network(spec, system),
        service_range=spec.service_cluster_ip_range or free_service_range(other.service_range for other in others),
    )


def _as_tag(version: str) -> str:
    return f"v{version}" if version[:1].isdigit() else version
