"""The embedded provider's infrastructure: programs, machine, cluster."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canarylab import pins
from canarylab.contract.stage import Change, Stage, StageOptions
from canarylab.events import Notice
from canarylab.files import delete, write_private
from canarylab.kube import kubeconfig
from canarylab.kube.connection import ApiError
from canarylab.kube.objects import condition
from canarylab.kube.watch import Watch
from canarylab.providers.embedded import ceiling
from canarylab.providers.embedded import network as networks
from canarylab.providers.embedded.machine import Machine
from canarylab.providers.embedded.over_limits import overran
from canarylab.providers.embedded.programs.build import Builder
from canarylab.providers.embedded.programs.built import built
from canarylab.removal import Removal

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster
    from canarylab.providers.embedded import EmbeddedProvider

_KUBEADM_SECONDS = 240.0
_READY_SECONDS = 5.0
"""How long the API server may take to say that it is ready, before the machine below it is looked at."""
_ADMIN = "etc/kubernetes/admin.conf"
_KUBEADM_MAKES = ("etc/kubernetes", "var/lib/kubelet", "var/lib/etcd", "var/log/pods", "var/log/containers")
_KUBEADM_CONFIG = "etc/kubeadm/kubeadm.yaml"


class _Infrastructure(Stage[StageOptions, Any]):
    """A stage that belongs to the provider and isn't written in playbooks."""

    Options = StageOptions
    in_cluster = False

    def __init__(self, provider: EmbeddedProvider, needs: Sequence[str] = ()) -> None:
        super().__init__(self.kind, StageOptions(), needs)
        self.provider = provider


class ProgramsStage(_Infrastructure):
    """Builds the node's programs, roots and images; nothing to do while `node/` is unchanged."""

    kind = "programs"
    default_deadline = 5400.0

    def observe(self, ctx: Context) -> str | None:  # noqa: ARG002 - the contract's
        """The build that isn't in the cache; None where it is."""
        return None if built().is_complete else built().folder.name

    def changes(self, observed: str | None) -> list[Change]:
        if observed is None:
            return []
        return [Change("build", f"programs and images {observed}", "not in the cache: 5 to 15 minutes once")]

    def apply(self, ctx: Context, observed: str | None) -> None:  # noqa: ARG002 - there is one thing to do
        self.provider.infrastructure.require_host(ctx)
        Builder(ctx, built()).run()

    def health(self, ctx: Context) -> str | None:  # noqa: ARG002
        return None if built().is_complete else "not built"

    def remove(self, ctx: Context) -> list[Removal]:  # noqa: ARG002
        return []  # shared by all profiles: `teardown --purge` removes them


@dataclass(frozen=True)
class MachineState:
    """What is there of a machine.

    `other_rules`: its network lets it out against the playbook's `internet`, or not; `other_limits`: what it runs with,
    in words, where that isn't what the playbook asks for now.
    """

    disk: bool
    network: bool
    running: bool
    other_rules: bool = False
    other_limits: str = ""


class MachineStage(_Infrastructure):
    """Namespaces, a network and a supervised containerd: what a virtual machine would be elsewhere."""

    kind = "machine"

    def observe(self, ctx: Context) -> MachineState:
        self.provider.require_owner(ctx)
        machine, network = self.provider.machine(ctx), self.provider.network(ctx)
        whole = network.is_complete()
        running = machine.is_up()
        limits = _other_limits(machine) if running else ""
        return MachineState(machine.has_disk, whole, running, not whole and network.lets_out_otherwise(), limits)

    def changes(self, observed: MachineState) -> list[Change]:
        changes = []
        if not observed.disk:
            changes.append(Change("create", "disk", "there is none, or it was left half done"))
        if observed.other_rules:
            changes.append(Change("update", "network", "the playbook's `internet` isn't what its rules were made for"))
        elif not observed.network:
            changes.append(Change("create", "network", "its namespace, link or rules are missing"))
        if observed.other_limits:
            changes.append(Change("update", "ceiling", observed.other_limits))
        if not observed.running:
            changes.append(Change("start", "machine", "it isn't running"))
        elif changes:
            subjects = " and ".join(change.subject for change in changes)
            changes.append(Change("start", "machine", f"its {subjects} changes, and it is restarted for that"))
        return changes

    def is_absent(self, observed: MachineState) -> bool:
        return not (observed.disk or observed.network or observed.running or observed.other_rules)

    def apply(self, ctx: Context, observed: MachineState) -> None:
        self.provider.infrastructure.require_host(ctx)
        self.provider.keep_ranges(ctx)
        machine, network = self.provider.machine(ctx), self.provider.network(ctx)
        if observed.other_rules or not observed.network:
            machine.stop()
            network.create()
            if machine.has_disk:
                machine.write("etc/resolv.conf", self._resolvers(network.ranges))
        if not observed.disk:
            ctx.progress("laying out the disk")
            machine.create_disk()
            self._configure(machine, network.ranges)
            machine.finish_disk()
        if observed.other_limits:
            machine.stop()
        ctx.progress("starting")
        machine.start()
        ctx.emit(Notice(_told(machine)))

    def _configure(self, machine: Machine, ranges: networks.Ranges) -> None:
        name, versions = self.provider.spec.profile, pins.pins()
        values = {
            "profile": name,
            "node_name": name,
            "node_address": ranges.node_address,
            "pods": ranges.pods,
            "services": ranges.services,
            "cgroup": f"/{machine.groups.name}",
            "kubernetes": versions.kubernetes,
            "coredns": versions.coredns,
            "etcd": versions.etcd,
        }
        template = pins.NODE / "machine"
        machine.write("etc/containerd/config.toml", (template / "containerd.toml").read_text())
        machine.write("etc/cni/net.d/10-pods.conflist", _fill(template / "cni.conflist", {"pods": ranges.node_pods}))
        machine.write(_KUBEADM_CONFIG, _fill(template / "kubeadm.yaml", values), 0o600)
        machine.write("etc/kubeadm/patches/corednsdeployment.yaml", (template / "corednsdeployment.yaml").read_text())
        machine.write("etc/hostname", f"{name}\n")
        machine.write("etc/hosts", f"127.0.0.1 localhost\n{ranges.node_address} {name}\n")
        machine.write("etc/resolv.conf", self._resolvers(ranges))
        machine.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        machine.write("etc/group", "root:x:0:\n")

    def _resolvers(self, ranges: networks.Ranges) -> str:
        """The host's own with `internet`; else one that the host's rules refuse at once, so nothing is looked up."""
        if self.provider.spec.internet:
            upstream = Path("/run/systemd/resolve/resolv.conf")  # /etc/resolv.conf then names a resolver on loopback
            return (upstream if upstream.exists() else Path("/etc/resolv.conf")).read_text()
        return f"nameserver {ranges.host_address}\n"

    def health(self, ctx: Context) -> str | None:
        return None if self.provider.machine(ctx).is_up() else "containerd doesn't answer"

    def remove(self, ctx: Context) -> list[Removal]:
        self.provider.require_owner(ctx)
        removals = self.provider.machine(ctx).delete()
        if self.provider.supervisor(ctx).shutdown(ctx.cancel):
            removals.append(Removal("supervisord", "removed"))
        removals += self.provider.network(ctx).delete()
        self.provider.disown(ctx)
        return removals

    def facts(self, ctx: Context) -> dict[str, Any]:
        ranges = self.provider.network(ctx).ranges
        return {"node": ranges.node_address, "pods": ranges.pods, "services": ranges.services}


@dataclass(frozen=True)
class ClusterState:
    """What is there of the cluster."""

    initialised: bool
    own_kubeconfig: bool
    user_kubeconfig: bool
    file: Path
    """The user's kubeconfig that has the profile's context, or is to have it."""


class ClusterStage(_Infrastructure):
    """Kubernetes itself, by kubeadm; ends with a node that is Ready and a context in the user's kubeconfig."""

    kind = "cluster"

    def observe(self, ctx: Context) -> ClusterState:
        machine, file = self.provider.machine(ctx), kubeconfig.path_of(ctx.profile)
        initialised = machine.has_disk and machine.path("etc/kubeadm/done").exists()
        if not initialised:
            kubeconfig.refuse_foreign(ctx.profile)
            return ClusterState(False, False, False, file)
        own = self._own(machine, ctx.profile)
        has_own = ctx.paths.kubeconfig.exists() and kubeconfig.load(ctx.paths.kubeconfig) == own
        return ClusterState(True, has_own, kubeconfig.is_merged(own, ctx.profile), file)

    @staticmethod
    def _own(machine: Machine, profile: str) -> dict[str, Any]:
        return kubeconfig.renamed(kubeconfig.load(machine.path(_ADMIN)), profile)

    def changes(self, observed: ClusterState) -> list[Change]:
        changes = []
        if not observed.initialised:
            changes.append(Change("create", f"Kubernetes {pins.pins().kubernetes}", "kubeadm hasn't finished here"))
        if not (observed.own_kubeconfig and observed.user_kubeconfig):
            changes.append(Change("update", f"context in {observed.file}", "it is missing or another"))
        return changes

    def is_absent(self, observed: ClusterState) -> bool:
        return not observed.initialised

    def apply(self, ctx: Context, observed: ClusterState) -> None:
        machine = self.provider.machine(ctx)
        if not observed.initialised:
            self._initialise(ctx, machine)
        ctx.paths.create()
        own = self._own(machine, ctx.profile)
        write_private(ctx.paths.kubeconfig, kubeconfig.as_text(own))
        kubeconfig.add(own, ctx.profile, ctx.cancel)

    def _initialise(self, ctx: Context, machine: Machine) -> None:
        """Run kubeadm to its end. What a run that was killed left behind is wiped first."""
        if machine.path("etc/kubernetes/manifests").exists() or machine.path("var/lib/kubelet/config.yaml").exists():
            ctx.progress("wiping what an interrupted start left")
            machine.stop()
            for inside in _KUBEADM_MAKES:
                delete(machine.path(inside))
                machine.path(inside).mkdir(parents=True)
            machine.start()
        ctx.progress("kubeadm init")
        machine.run(["kubeadm", "init", "--config", f"/{_KUBEADM_CONFIG}"], timeout=_KUBEADM_SECONDS)
        machine.write("etc/kubeadm/done", pins.pins().kubernetes)

    def health(self, ctx: Context) -> str | None:
        """The API server and the node: what everything after this relies on."""
        cluster = self.provider.access.cluster(ctx)
        if not_ready := cluster.ready(_READY_SECONDS):
            return "; ".join([not_ready, *self.provider.infrastructure.silence(ctx)])
        ready = condition(cluster.get("v1", "Node", ctx.profile) or {}, "Ready")
        if ready.get("status") != "True":
            return f"the node isn't Ready: {ready.get('message', 'it has not registered yet')}"
        if faults := self.provider.infrastructure.faults(ctx):  # it still answers from memory
            return str(faults[0])
        return self._stale(ctx, cluster)

    def _stale(self, ctx: Context, cluster: Cluster) -> str | None:
        """After a restart the API shows what was before it: pods that run, in containers that don't exist any more."""
        listed = self.provider.machine(ctx).run(["ctr", "--namespace", "k8s.io", "task", "list", "--quiet"], timeout=10)
        alive = set(listed.stdout.split())
        for pod in cluster.list("v1", "Pod"):
            for container in pod.get("status", {}).get("containerStatuses", []):
                if "running" in container["state"] and container["containerID"].rpartition("/")[2] not in alive:
                    return f"Pod {pod['metadata']['name']} is still shown as it was before the machine started"
        return None

    def watches(self) -> Sequence[Watch]:
        return (Watch("v1", "Node"), Watch("v1", "Pod"))

    def remove(self, ctx: Context) -> list[Removal]:
        return kubeconfig.remove(ctx.profile, ctx.cancel)

    def facts(self, ctx: Context) -> dict[str, Any]:
        known = {"kubernetes": pins.pins().kubernetes, "node": self.provider.network(ctx).ranges.node_address}
        machine, cluster = self.provider.machine(ctx), self.provider.access.cluster(ctx)
        try:
            node = cluster.get("v1", "Node", ctx.profile) or {}
            over = overran(node, cluster.list("v1", "Pod"), machine.groups.tasks_of_pods())
        except ApiError:  # its health says so
            over = []
        ceilings = machine.ceilings
        size = {"ceiling": str(ceilings.taken)} if ceilings else {}
        return {**known, **size, **({"over it": "; ".join(over)} if over else {})}


def _other_limits(machine: Machine) -> str:
    """What a machine runs with, where that isn't what is asked for."""
    ceilings = machine.ceilings
    if ceilings is None:
        return f"it runs without any; the playbook asks for {machine.wanted}"
    return "" if ceilings.asked == machine.wanted else f"the playbook asks for {machine.wanted}, not {ceilings.asked}"


def _told(machine: Machine) -> str:
    """What the machine has now of this host."""
    ceilings = machine.ceilings
    assert ceilings is not None  # it was just started
    short = ceiling.shortage(ceilings.asked, ceilings.taken)
    less = f"; that is {short} that the playbook asks for: this host has no more to give" if short else ""
    return f"the cluster has {ceilings.taken}{less}; what is over that ends inside, and not on this host"


def _fill(template: Path, values: dict[str, str]) -> str:
    return string.Template(template.read_text()).substitute(values)
