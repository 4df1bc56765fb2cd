"""The networks of drivers vfkit and krunkit: `nat`, and `vmnet-shared` by the program vmnet-helper."""

from __future__ import annotations

from collections.abc import Iterator

from canarylab.contract.provider import Finding
from canarylab.providers.minikube.checks.host import Host
from canarylab.providers.minikube.checks.programs import numbers, semantic

_NETWORKS = ("nat", "vmnet-shared")
"""All that the drivers know (minikube: pkg/minikube/registry/drvs/vfkit)."""
_PLACES = ("/opt/homebrew/opt/vmnet-helper/libexec/vmnet-helper", "/opt/vmnet-helper/bin/vmnet-helper")
"""Where minikube looks, in this order, since 1.38 (its pkg/drivers/common/vmnet)."""
_NO_ROOT_MACOS = 26
_NO_ROOT_HELPER = [0, 9, 0]
"""From both of these on it needs no root (kubernetes/minikube#22501)."""
_SUBJECT = "vmnet-helper"
_BREW = "brew tap nirs/vmnet-helper && brew install vmnet-helper"
_SCRIPT = "https://github.com/nirs/vmnet-helper#installation has its install.sh, which also sets up sudo for it"
_NAT = "or in the playbook: cluster: {network: nat}, which needs no helper"


def helper_network(host: Host) -> Iterator[Finding]:
    """That the driver has the network, and for `vmnet-shared` that its helper is there and may run."""
    if not host.is_mac:
        return
    if host.network not in (None, *_NETWORKS):
        seen = f"{host.network}: driver {host.driver} has {' and '.join(_NETWORKS)} only (`unsupported network`)"
        yield Finding("network", False, seen, "in the playbook: cluster: {network: nat}")
    elif host.network == "vmnet-shared":
        yield _helper(host)


def _helper(host: Host) -> Finding:
    path = next((file for file in map(host.file, _PLACES) if file.exists()), None)
    root_is_for_old = host.macos >= _NO_ROOT_MACOS
    install = f"{_BREW if root_is_for_old else _SCRIPT}\n{_NAT}"
    if path is None:
        return Finding(_SUBJECT, False, "isn't where minikube looks: it would end with NOT_FOUND_VMNET_HELPER", install)
    version = semantic(host.ask(path, "--version").stdout) or "of an unknown version"
    if root_is_for_old and version[:1].isdigit() and numbers(version) >= _NO_ROOT_HELPER:
        return Finding(_SUBJECT, True, f"{version} at {path}, which needs no root")
    # As minikube asks it, which is told not to ask for anything (its `validateRunningWithSudo`).
    if host.ask("sudo", "--non-interactive", path, "--version").code == 0:
        return Finding(_SUBJECT, True, f"{version} at {path}, by sudo without a password")
    free = "0.9 and later don't" if root_is_for_old else f"from macOS {_NO_ROOT_MACOS} on it doesn't"
    seen = f"{version} at {path} needs root ({free}), and sudo asks for a password: NOT_CONFIGURED_VMNET_HELPER"
    return Finding(_SUBJECT, False, seen, install)
