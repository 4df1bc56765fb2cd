"""The ways to the cluster: through the profile's own network, and the tunnel to its Services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canarylab.contract.provider import Access, TunnelStatus
from canarylab.errors import CanarylabError, NotYetObservableError
from canarylab.kube.objects import load_balancer_address, load_balancers
from canarylab.providers.embedded import tunnel
from canarylab.removal import Removal
from canarylab.tools.supervisord import Program

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster
    from canarylab.providers.embedded import EmbeddedProvider


class NetworkAccess(Access):
    """Nothing is sent anywhere but over the profile's own link."""

    def __init__(self, provider: EmbeddedProvider) -> None:
        super().__init__()
        self._provider = provider

    def connect(self, ctx: Context) -> Cluster:
        client, network = super().connect(ctx), self._provider.network(ctx)
        network.check_route(network.ranges.node_address, ctx.command("tunnel start"))
        return client

    def check_route(self, ctx: Context, address: str) -> None:
        self._provider.network(ctx).check_route(address, ctx.command("tunnel start"))

    def tunnel_start(self, ctx: Context) -> None:
        if not self._provider.network(ctx).exists():
            raise NotYetObservableError("there is no cluster yet", remedy=ctx.command("up"))
        argv = tunnel.argv(ctx.paths.root, ctx.profile)
        program = Program(tunnel.PROGRAM, ["setpriv", "--pdeathsig", "TERM", *argv])
        self._provider.supervisor(ctx).start(program, ctx.cancel)

    def tunnel_stop(self, ctx: Context) -> list[Removal]:
        network = self._provider.network(ctx)
        was_running = self._provider.supervisor(ctx).stop(tunnel.PROGRAM)
        removals = [Removal("tunnel process", "removed")] if was_running else []
        if tunnel.has_route(ctx.runner, network):  # it was killed and could not clean up
            ctx.runner.run(tunnel.route_argv(network, "delete"), timeout=10)
            removals.append(Removal(f"route {network.ranges.services}", "removed"))
        return removals

    def tunnel_status(self, ctx: Context) -> TunnelStatus:
        network, problems = self._provider.network(ctx), []
        pid = self._provider.supervisor(ctx).process(tunnel.PROGRAM)
        if pid is not None and not tunnel.has_route(ctx.runner, network):
            problems.append(f"the route to {network.ranges.services} is missing")
        addresses = {}
        try:
            balanced = load_balancers(self.cluster(ctx).list("v1", "Service"))
            addresses = {name: load_balancer_address(service) or "pending" for name, service in balanced.items()}
        except CanarylabError as error:
            problems.append(error.what)
        route = f"{network.ranges.services} -> {network.ranges.node_address}"
        return TunnelStatus(pid is not None, pid, route, addresses, tuple(problems))
