"""The ways to the cluster: a context of the user's, and its own load balancer. There is no tunnel to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canarylab.contract.absent import NoTunnel
from canarylab.contract.provider import TunnelStatus
from canarylab.errors import CanarylabError
from canarylab.kube.objects import load_balancer_address, load_balancers
from canarylab.ownership import foreign
from canarylab.providers.existing import balancer, reachability, user_kubeconfig

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster
    from canarylab.providers.existing.balancer import Trouble

NOTE = "no tunnel is needed: addresses are those that the cluster's load balancer gives"
_PENDING = "pending"


class ContextAccess(NoTunnel):
    """To the cluster of a context of the user's kubeconfig, which is read anew by each command."""

    def __init__(self, context: str | None) -> None:
        super().__init__()
        self._context = context

    def connect(self, ctx: Context) -> Cluster:
        """Raises UsageError where no context was named, or there is none of that name."""
        from canarylab.kube.client import Cluster

        name = user_kubeconfig.require(self._context)
        return Cluster(ctx.paths.kubeconfig, name, config=user_kubeconfig.single(name), by_proxy=True)

    def check_route(self, ctx: Context, address: str) -> None:
        """Raise unless a LoadBalancer Service of this cluster says that it answers there."""
        try:
            balanced = load_balancers(ctx.cluster.list("v1", "Service"))
        except CanarylabError as error:
            raise CanarylabError(
                f"no request is sent to {address}: the cluster can't be asked whether it is one of its own",
                why=error.what,
                remedy=error.next_step,
            ) from error
        if address not in map(load_balancer_address, balanced.values()):
            raise CanarylabError(
                f"no request is sent to {address}: no LoadBalancer Service of context {ctx.cluster.context} has it",
                remedy=f"`{ctx.command('tunnel status')}` shows the addresses that they have",
            )

    def tunnel_start(self, ctx: Context) -> None:
        """Nothing to start: `tunnel_status` says that it runs as soon as the cluster answers."""

    def tunnel_status(self, ctx: Context) -> TunnelStatus:
        """The addresses of the playbook's Services. Always there, as long as the cluster answers."""
        try:
            balanced = load_balancers(ctx.cluster.list("v1", "Service"))
        except CanarylabError as error:
            return TunnelStatus(False, None, "none", {}, (error.what,), NOTE)
        ours = {name: service for name, service in balanced.items() if foreign.is_of_playbook(ctx, service)}
        addresses = {name: load_balancer_address(service) or _PENDING for name, service in ours.items()}
        looks = [_trouble(ctx, service) for service in ours.values()]
        found = sorted(filter(None, looks), key=lambda trouble: not trouble.permanent)
        permanent = bool(found) and found[0].permanent
        problems = tuple(map(str, found))
        return TunnelStatus(True, None, "the cluster's load balancer", addresses, problems, NOTE, permanent)

    def reach(self, ctx: Context, service: dict[str, Any], port: int) -> tuple[str, int]:
        """Waits as long as an address, its name or its answer may well come."""
        endpoint = reachability.await_answer(ctx, service, port)
        self.check_route(ctx, endpoint[0])
        return endpoint


def _trouble(ctx: Context, service: dict[str, Any]) -> Trouble | None:
    if load_balancer_address(service) is None:
        return balancer.pending(ctx.cluster, service)
    return reachability.unresolved(service)
