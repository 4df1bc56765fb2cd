"""The embedded node behind a profile: the tool's own stages, in a state folder below minikube's."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canarylab import pins
from canarylab.cancel import wait_until
from canarylab.contract.context import Context
from canarylab.contract.playbook import ClusterSpec, Playbook
from canarylab.errors import CanarylabError, CommandError
from canarylab.kube import kubeconfig
from canarylab.providers.embedded import EmbeddedProvider
from canarylab.providers.embedded.programs.built import built
from canarylab.providers.embedded.programs.images import references

from .home import Home

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

_READY_SECONDS = 120.0
_CTR = ("ctr", "--namespace", "k8s.io")
_KUBELET = "/run/service/kubelet"
PORT = 6443
"""Of the API server; minikube's own is 8443."""


class Node:
    """One profile's node.

    The stages write into the user's kubeconfig; here that is a file of the stand-in's, since minikube writes its own
    entries. Made once a process: it changes the environment for good.
    """

    def __init__(self, home: Home, profile: str) -> None:
        os.environ["XDG_STATE_HOME"] = str(home.standin)
        os.environ["KUBECONFIG"] = str(home.standin / "kubeconfig")
        self._profile = profile
        self._spec = ClusterSpec.model_validate({"profile": profile})
        self._renew()

    def _renew(self) -> None:
        """A provider keeps the ranges that it read: anew, it reads them again."""
        self._provider = EmbeddedProvider(self._spec)
        playbook = Playbook("standin", "", Path(), "", self._spec, (), {}, ())
        self._ctx = Context(playbook, self._provider, lambda _event: None)

    # -- facts --------------------------------------------------------------------------------------------------------

    @property
    def is_made(self) -> bool:
        return self._ctx.paths.root.exists()

    @property
    def address(self) -> str:
        return self._provider.network(self._ctx).ranges.node_address

    @property
    def is_up(self) -> bool:
        return bool(self._machine.is_up())

    @property
    def _machine(self) -> Any:
        return self._provider.machine(self._ctx)

    @property
    def kubectl(self) -> Path:
        return built().bin / "kubectl"

    @property
    def own_kubeconfig(self) -> Path:
        return self._ctx.paths.kubeconfig

    @property
    def credentials(self) -> dict[str, Any]:
        """The node's own kubeconfig, its certificates embedded."""
        return kubeconfig.load(self.own_kubeconfig)

    def cluster(self) -> Cluster:
        return self._provider.access.cluster(self._ctx)

    def api(self) -> str:
        """State of the API server as minikube names it."""
        if self.paused_containers():
            return "Paused"
        try:
            return "Running" if self.cluster().ready() is None else "Stopped"
        except CanarylabError:
            return "Stopped"

    def kubelet(self) -> str:
        up = self.run(["s6-svstat", "-o", "up", _KUBELET], ok=(0, 1)).stdout.strip()
        return "Running" if up == "true" else "Stopped"

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self, service_range: str, progress: Callable[[str], None]) -> None:
        """Bring it up, or up again; `progress` gets programs, machine, cluster, ready as each begins."""
        self._reserve(service_range)
        for stage in self._provider.infrastructure.stages():
            progress(stage.kind)
            observed = stage.observe(self._ctx)
            if stage.changes(observed):
                stage.apply(self._ctx, observed)
            if stage.kind == "machine":
                self._name_images()
        progress("ready")
        if not wait_until(
            lambda: stage.health(self._ctx) is None,
            deadline=time.monotonic() + _READY_SECONDS,
            cancel=self._ctx.cancel,
        ):
            raise RuntimeError(f"the node behind the stand-in isn't Ready: {stage.health(self._ctx)}")

    def _reserve(self, service_range: str) -> None:
        """The profile's own range for the link and pods, and minikube's --service-cluster-ip-range for Services."""
        self._provider.keep_ranges(self._ctx)
        ranges = self._provider.network(self._ctx).ranges
        dataclasses.replace(ranges, services=service_range).save(self._ctx.paths.root / "network.json")
        self._renew()

    def _name_images(self) -> None:
        """Under the names that charts and manifests pull them by, and kubeadm's as minikube has them."""
        for source, names in pulled_names().items():
            self.run([*_CTR, "images", "tag", "--force", source, *names])

    def stop(self) -> None:
        if self.is_made:
            self._machine.stop()
            self._provider.supervisor(self._ctx).shutdown(self._ctx.cancel)

    def delete(self) -> None:
        for stage in reversed(self._provider.infrastructure.stages()):
            stage.remove(self._ctx)
        self._provider.infrastructure.leftovers(self._ctx)

    # -- inside -------------------------------------------------------------------------------------------------------

    def run(self, argv: Sequence[str], *, timeout: float = 120.0, ok: Sequence[int] = (0,)) -> Any:
        """Run a program in the machine. Raises CommandError for another exit code."""
        return self._machine.run(argv, timeout=timeout, ok=ok)

    def path(self, inside: str) -> Path:
        """A file of the machine, as this host sees it."""
        return Path(self._machine.path(inside))

    @property
    def runner(self) -> Any:
        return self._ctx.runner

    def paused_containers(self) -> list[str]:
        try:
            tasks = self.run([*_CTR, "tasks", "list"], timeout=20).stdout.splitlines()
        except CommandError:
            return []
        return [line.split()[0] for line in tasks if line.split()[-1] == "PAUSED"]

    def system_containers(self) -> list[str]:
        """The running containers of kube-system, as `minikube pause` takes them; the pods' sandboxes stay."""
        found = []
        for phrase in ('labels."io.kubernetes.pod.namespace"==kube-system,labels."io.cri-containerd.kind"==container',):
            found += self.run([*_CTR, "containers", "list", "--quiet", phrase]).stdout.split()
        running = self.run([*_CTR, "tasks", "list"]).stdout.splitlines()
        alive = {line.split()[0] for line in running if line.split()[-1] == "RUNNING"}
        return [name for name in found if name in alive]

    def pause(self) -> int:
        """Stop the kubelet, then the containers; how many."""
        self.run(["s6-svc", "-d", _KUBELET])
        containers = self.system_containers()
        for container in containers:
            self.run([*_CTR, "tasks", "pause", container])
        return len(containers)

    def unpause(self) -> int:
        containers = self.paused_containers()
        for container in containers:
            self.run([*_CTR, "tasks", "resume", container])
        self.run(["s6-svc", "-u", _KUBELET])
        return len(containers)


def pulled_names() -> dict[str, list[str]]:
    """The node's images, and what they are called where they are pulled from a registry."""
    versions = pins.pins()
    release = versions.istio.split("-", 1)[0]
    istio = {
        f"localhost/istio/{name}:{versions.istio}": [
            f"docker.io/istio/{name}:{tag}" for tag in dict.fromkeys((release, versions.istio))
        ]
        for name in ("pilot", "proxyv2")
    }
    rollouts = {
        f"localhost/argoproj/argo-rollouts:{versions.rollouts}": [f"quay.io/argoproj/argo-rollouts:{versions.rollouts}"]
    }
    return {**istio, **rollouts, **_kubernetes_names()}


def _kubernetes_names() -> dict[str, list[str]]:
    """kubeadm's images as a minikube's node has them (recorded)."""
    names = [name for every in references(pins.pins()).values() for name in every if name.startswith("localhost/k8s/")]
    found = {}
    for name in names:
        short = name.removeprefix("localhost/k8s/")
        found[name] = [f"registry.k8s.io/{'coredns/' if short.startswith('coredns') else ''}{short}"]
    return found


def hidden_names() -> set[str]:
    """What the node's own names for its images are: a minikube's node has no such images."""
    return {name for every in references(pins.pins()).values() for name in every}
