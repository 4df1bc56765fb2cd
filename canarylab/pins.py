"""The versions of everything the node is made of, read from the files that pin them."""

from __future__ import annotations

import functools
import platform
import re
from dataclasses import dataclass

import yaml

from canarylab.paths import REPOSITORY

NODE = REPOSITORY / "node"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """This host's architecture as Go names it."""
    machine = platform.machine()
    return _MACHINES.get(machine, machine)


@dataclass(frozen=True)
class Pins:
    """Versions by what they are called in tags and flags."""

    modules: dict[str, str]
    go: str

    def version_of(self, module: str) -> str:
        return self.modules[module]

    @property
    def kubernetes(self) -> str:
        return self.version_of("k8s.io/kubernetes")

    @property
    def coredns(self) -> str:
        return self.version_of("github.com/coredns/coredns")

    @property
    def etcd(self) -> str:
        return self.version_of("go.etcd.io/etcd/server/v3").removeprefix("v")

    @property
    def rollouts(self) -> str:
        return self.version_of("github.com/argoproj/argo-rollouts")

    @property
    def helm(self) -> str:
        return self.version_of("helm.sh/helm/v4")

    @property
    def gateway_api(self) -> str:
        return self.version_of("sigs.k8s.io/gateway-api").removeprefix("v")

    @property
    def istio(self) -> str:
        """The release line of Istio's module and its commit: the module proxy has pseudo-versions only.

        As a pre-release, since it is also an image's tag and a label's value, which can't hold a plus.
        """
        line = re.search(r"^\s*istio\.io/api v(\d+\.\d+\.\d+)", (NODE / "go.mod").read_text(), re.MULTILINE)
        commit = self.version_of("istio.io/istio").rsplit("-", 1)[-1]
        return f"{line[1] if line else '0.0.0'}-{commit}"


@functools.cache
def pins() -> Pins:
    text = (NODE / "go.mod").read_text()
    modules = dict(re.findall(r"^\s*(\S+) (v\S+)", text, re.MULTILINE))
    go = re.search(r"^go (\S+)", text, re.MULTILINE)
    return Pins(modules, go[1] if go else "")


@functools.cache
def packages() -> dict[str, list[str]]:
    """The Debian packages of each root."""
    listed = yaml.safe_load((NODE / "packages.yaml").read_text())
    return {"node": listed["node"], "base": listed["base"]}


@functools.cache
def host_programs() -> dict[str, str]:
    """What the host needs: program to Debian package."""
    return dict(yaml.safe_load((NODE / "packages.yaml").read_text())["host"])
