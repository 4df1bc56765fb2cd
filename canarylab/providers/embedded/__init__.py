"""A real Kubernetes on a plain Linux host: no virtual machine, no container engine, no image registry.

The node is a machine made of Linux namespaces; docs/embedded.md tells how it works.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from canarylab import pins
from canarylab.contract.provider import Finding, Provider, RouterPlugin, TunnelStatus
from canarylab.contract.stage import Stage
from canarylab.errors import NotYetObservableError, StageError, UsageError
from canarylab.files import delete
from canarylab.images.build import build
from canarylab.images.image import Image, Wanted
from canarylab.lock import is_held, queued
from canarylab.paths import ProfilePaths, cache_home, state_home
from canarylab.providers.embedded import host, store, tunnel
from canarylab.providers.embedded.machine import STAMP, Machine
from canarylab.providers.embedded.network import Network, Ranges, choose, reserved
from canarylab.providers.embedded.programs.built import built
from canarylab.providers.embedded.programs.charts import CHARTS
from canarylab.providers.embedded.programs.images import GATEWAY_API_PLUGIN, ROLLOUTS
from canarylab.providers.embedded.stages import ClusterStage, MachineStage, ProgramsStage
from canarylab.removal import Removal
from canarylab.tools import ip
from canarylab.tools.supervisord import Program, Supervisor

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec
    from canarylab.kube.client import Cluster


_GATEWAY_API = "argoproj-labs/gatewayAPI"
"""The plugin for which there is a stand-in: node/internal/gatewayapi."""


class EmbeddedProvider(Provider):
    """The default on Linux."""

    name: ClassVar[str] = "embedded"
    image_needs: ClassVar[tuple[str, ...]] = ("machine",)

    def __init__(self, spec: ClusterSpec) -> None:
        super().__init__(spec)
        self._cluster: Cluster | None = None
        self._ranges: Ranges | None = None

    @classmethod
    def fits(cls, system: str) -> bool:
        return system == "Linux"

    def findings(self, ctx: Context) -> list[Finding]:
        return host.findings(ctx, built(), internet=self.spec.internet)

    def require_host(self, ctx: Context) -> None:
        """As every provider; then install what it lacks."""
        super().require_host(ctx)
        host.install_packages(ctx)

    def stages(self) -> Sequence[Stage[Any, Any]]:
        return (
            ProgramsStage(self),
            MachineStage(self, needs=["programs"]),
            ClusterStage(self, needs=["machine"]),
        )

    # -- parts --------------------------------------------------------------------------------------------------------

    def network(self, ctx: Context) -> Network:
        """The profile's network, with the ranges that it keeps since its first start."""
        if self._ranges is None:
            self._ranges = self._saved_ranges(ctx)
        return Network(ctx.profile, self._ranges, ctx.runner, internet=self.spec.internet)

    @staticmethod
    def _saved_ranges(ctx: Context) -> Ranges:
        file = ctx.paths.root / "network.json"
        ranges = Ranges.load(file)
        if ranges is None:
            others = [path for path in state_home().glob("*") if path.is_dir() and path != ctx.paths.root]
            ranges = choose([*ip.routed(ctx.runner), *reserved(others)])
        return ranges

    def keep_ranges(self, ctx: Context) -> None:
        """From the first change on, the ranges and the profile's name are this folder's own."""
        self.require_owner(ctx)
        ctx.paths.create()
        with queued(cache_home() / "ranges.lock", ctx.cancel, lambda: None):
            self._ranges = self._saved_ranges(ctx)  # anew: another profile may have taken them meanwhile
            self._ranges.save(ctx.paths.root / "network.json")
        owner = _owner(ctx.profile)
        owner.parent.mkdir(exist_ok=True)
        owner.write_text(str(ctx.paths.root))

    def require_owner(self, ctx: Context) -> None:
        """Raise where a profile of this name runs from another home: namespace, link and groups hang on the name."""
        owner = _owner(ctx.profile)
        if owner.exists() and owner.read_text() not in ("", str(ctx.paths.root)):
            raise StageError(
                f"a profile {ctx.profile} runs on this host already, from {owner.read_text()}",
                where=str(owner),
                remedy="work as the user it belongs to, or give this one another name with --profile",
            )

    def disown(self, ctx: Context) -> None:
        """Nothing of the profile is left on the host."""
        _owner(ctx.profile).unlink(missing_ok=True)
        with suppress(OSError):  # others are in it
            _owner(ctx.profile).parent.rmdir()

    def supervisor(self, ctx: Context) -> Supervisor:
        return Supervisor(ctx.profile, ctx.paths.root, ctx.runner)

    def machine(self, ctx: Context) -> Machine:
        network, supervisor = self.network(ctx), self.supervisor(ctx)
        return Machine(ctx.paths.root, built(), network, supervisor, runner=ctx.runner, cancel=ctx.cancel)

    def cluster(self, ctx: Context) -> Cluster:
        from canarylab.kube.client import Cluster

        if self._cluster is None:
            if not ctx.paths.kubeconfig.exists():
                raise NotYetObservableError("there is no cluster yet", remedy=ctx.command("up"))
            network = self.network(ctx)
            network.check_route(network.ranges.node_address)
            self._cluster = Cluster(ctx.paths.kubeconfig, ctx.profile)
        return self._cluster

    def check_route(self, ctx: Context, address: str) -> None:
        self.network(ctx).check_route(address)

    # -- charts, images -----------------------------------------------------------------------------------------------

    def programs(self, ctx: Context) -> Path | None:  # noqa: ARG002 - the contract's
        return built().bin

    def chart(self, ctx: Context, reference: str, version: str) -> Path:  # noqa: ARG002
        name = reference.rsplit("/", 1)[-1]
        packaged = pins.pins().istio
        if reference not in CHARTS or packaged.split("-", 1)[0] != version:
            known = ", ".join(f"{chart} {packaged.split('-', 1)[0]}" for chart in CHARTS)
            raise UsageError(
                f"the embedded provider has no chart {reference} of version {version}",
                why="there is no chart repository: charts come from the modules that node/go.mod pins",
                remedy=f"use one of {known}",
            )
        return built().charts / f"{name}-{packaged}.tgz"

    def rollouts_manifest(self, ctx: Context, version: str) -> tuple[Path, str]:  # noqa: ARG002
        if pins.pins().rollouts.removeprefix("v") != version:
            raise UsageError(
                f"the embedded provider has no Argo Rollouts {version}",
                remedy=f"use {pins.pins().rollouts.removeprefix('v')}, which node/go.mod pins",
            )
        return built().rollouts_manifest, f"{ROLLOUTS}:{pins.pins().rollouts}"

    def gateway_api_manifest(self, ctx: Context, version: str) -> Path:  # noqa: ARG002
        if pins.pins().gateway_api != version:
            raise UsageError(
                f"the embedded provider has no Gateway API {version}",
                remedy=f"use {pins.pins().gateway_api}, which node/go.mod pins",
            )
        return built().gateway_api_manifest

    def router_plugin(self, ctx: Context, name: str, version: str) -> RouterPlugin:  # noqa: ARG002
        if name != _GATEWAY_API:
            raise UsageError(
                f"the embedded provider has no traffic-router plugin {name!r}", remedy=f"use {_GATEWAY_API}"
            )
        note = f"{name} can't be had here: a plugin of this tool stands in for it (docs/embedded.md, Gateway API)"
        return RouterPlugin(f"file://{GATEWAY_API_PLUGIN}", note=note)

    def architectures(self, ctx: Context) -> tuple[str, ...]:  # noqa: ARG002
        return (pins.architecture(),)

    def images(self, ctx: Context) -> list[Image]:
        machine = self.machine(ctx)
        return store.images(machine) if machine.is_up() else []

    def deliver_image(self, ctx: Context, wanted: Wanted) -> None:
        archive = build(ctx, wanted, pins.architecture())
        ctx.progress("handing it to the cluster")
        store.load(self.machine(ctx), archive)

    def remove_image(self, ctx: Context, reference: str) -> Literal["removed", "absent"]:
        return store.remove(self.machine(ctx), reference)

    # -- tunnel -------------------------------------------------------------------------------------------------------

    def tunnel_start(self, ctx: Context) -> None:
        if not self.network(ctx).exists():
            raise NotYetObservableError("there is no cluster yet", remedy=ctx.command("up"))
        argv = tunnel.argv(ctx.paths.root, ctx.profile)
        program = Program(tunnel.PROGRAM, ["setpriv", "--pdeathsig", "TERM", *argv])
        self.supervisor(ctx).start(program, ctx.cancel)

    def tunnel_stop(self, ctx: Context) -> list[Removal]:
        network = self.network(ctx)
        was_running = self.supervisor(ctx).stop(tunnel.PROGRAM)
        removals = [Removal("tunnel process", "removed")] if was_running else []
        if tunnel.has_route(ctx.runner, network):  # it was killed and could not clean up
            ctx.runner.run(tunnel.route_argv(network, "delete"), timeout=10)
            removals.append(Removal(f"route {network.ranges.services}", "removed"))
        return removals

    def tunnel_status(self, ctx: Context) -> TunnelStatus:
        from canarylab.errors import CanarylabError
        from canarylab.kube.objects import load_balancer_address

        network, problems = self.network(ctx), []
        pid = self.supervisor(ctx).process(tunnel.PROGRAM)
        if pid is not None and not tunnel.has_route(ctx.runner, network):
            problems.append(f"the route to {network.ranges.services} is missing")
        addresses: dict[str, str] = {}
        try:
            services = self.cluster(ctx).list("v1", "Service")
        except CanarylabError as error:
            problems.append(error.what)
            services = []
        for service in services:
            if service["spec"].get("type") == "LoadBalancer":
                name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
                addresses[name] = load_balancer_address(service) or "pending"
        route = f"{network.ranges.services} -> {network.ranges.node_address}"
        return TunnelStatus(pid is not None, pid, route, addresses, tuple(problems))

    # -- removal ------------------------------------------------------------------------------------------------------

    def leftovers(self, ctx: Context) -> list[Removal]:
        root = ProfilePaths(ctx.profile).root
        if not delete(root):
            return []
        kept = Removal(
            f"programs in {cache_home()}", "left", "the next `up` is faster; `teardown --purge` removes them"
        )
        return [Removal(f"files in {root}", "removed"), kept]

    def purge(self, ctx: Context) -> list[Removal]:
        users = sorted(path.parent.name for path in state_home().glob(f"*/{STAMP}"))
        if users:
            reason = f"used by {', '.join(users)}"
            return [Removal(f"programs in {cache_home()}", "left", reason)]
        if is_held(built().folder.with_name("lock")):
            return [Removal(f"programs in {cache_home()}", "left", "another run builds them at this moment")]
        delete_readonly = ["chmod", "-R", "u+w", str(cache_home())]
        if not cache_home().exists():
            return []
        ctx.runner.run(delete_readonly, timeout=300)  # Go writes its module cache read-only
        delete(cache_home())
        return [Removal(f"programs and caches in {cache_home()}", "removed")]


def _owner(profile: str) -> Path:
    """Says which folder a running profile belongs to; gone after a reboot, as what it speaks of is."""
    return Path("/run/canarylab") / profile
