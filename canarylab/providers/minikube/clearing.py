"""Taking back what a tunnel made: what minikube can't, without a terminal, or what was left by one that was killed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError, CommandError
from canarylab.kube.objects import load_balancer_address
from canarylab.providers.minikube import privileges, resolver, routes, tunnel_list, tunnel_owners, vm
from canarylab.removal import Removal
from canarylab.tools import sudo

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.providers.minikube.routes import Route
    from canarylab.providers.minikube.vm import Vm


class Traces:
    """The route and the resolver's file of this profile, as they are before anything is removed."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._routes: list[Route] = privileges.own_routes(ctx)
        self._resolvers: list[Vm] = privileges.own_resolvers(ctx)

    def remove(self) -> None:
        """Try to; `removals` looks at what came of it. minikube may have been faster, or put one back."""
        wanted = [routes.delete_argv(route) for route in privileges.own_routes(self._ctx)]
        wanted += [resolver.remove_argv(machine) for machine in self._resolvers if resolver.is_ours(machine)]
        if wanted and sudo.allowed(self._ctx.runner):
            for argv in wanted:
                self._try(argv)

    def _try(self, argv: Sequence[str]) -> None:
        try:
            sudo.run(self._ctx.runner, argv)
        except CommandError as error:
            self._ctx.progress(f"{error.what}: {error.why}")

    def removals(self) -> list[Removal]:
        """What became of each: removed, or left with the command that removes it."""
        left = privileges.own_routes(self._ctx)
        return [
            *(_removal(f"route {route}", routes.delete_argv(route), is_left=route in left) for route in self._routes),
            *(
                _removal(f"file {resolver.path(each)}", resolver.remove_argv(each), is_left=resolver.is_ours(each))
                for each in self._resolvers
            ),
        ]


def _removal(subject: str, argv: Sequence[str], *, is_left: bool) -> Removal:
    if is_left:
        return Removal(subject, "failed", f"it needs root, which nobody was there to give: `sudo {shlex.join(argv)}`")
    return Removal(subject, "removed")


def registry_entries(ctx: Context) -> list[Removal]:
    """Take this profile's dead tunnels out of minikube's list, and their addresses from the Services."""
    stale = tunnel_owners.stale_entries(ctx.runner, ctx.profile)
    if not stale:
        return []
    tunnel_list.forget(stale)
    ids = ", ".join(str(entry.pid) for entry in stale)
    removal = Removal(f"entry of tunnel {ids} in {tunnel_list.path()}", "removed")
    return [removal, *_addresses(ctx)] if vm.find(ctx.profile) else [removal]


def _addresses(ctx: Context) -> list[Removal]:
    """An address that doesn't answer must not stay. One that a tunnel gave is the Service's own in the cluster."""
    try:
        cleared = []
        for service in ctx.cluster.list("v1", "Service"):
            address = load_balancer_address(service)
            if address and address == service["spec"].get("clusterIP"):
                meta = service["metadata"]
                status = {"status": {"loadBalancer": None}}
                ctx.cluster.patch("v1", "Service", meta["name"], status, meta["namespace"], subresource="status")
                cleared.append(f"{meta['namespace']}/{meta['name']}")
    except CanarylabError as error:
        return [Removal("addresses of the Services", "left", error.what)]
    return [Removal(f"address of Service {name}", "removed") for name in cleared]
