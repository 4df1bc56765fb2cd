"""What a tunnel made on this machine, and taking it back.

minikube can't take it back without a terminal, and one that was killed leaves it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError, CommandError
from canarylab.kube.objects import load_balancer_address
from canarylab.providers.minikube import resolver, routes, tunnel_owners, vm
from canarylab.providers.minikube.tunnel_state import Choice
from canarylab.removal import Removal
from canarylab.tools import sudo

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.providers.minikube.routes import Route


@dataclass(frozen=True)
class Leftover:
    """A thing on this machine that belongs to the profile's tunnel, there or not."""

    subject: str
    purpose: str
    """What the user is asked for the password for."""
    removal: Sequence[str]
    """The command, for root, that removes it."""
    is_there: Callable[[], bool]

    @property
    def receipt(self) -> Removal:
        """What became of one that was there: removed, or left with the command that removes it."""
        if not self.is_there():
            return Removal(self.subject, "removed")
        reason = f"this needs root, and nobody was there to enter the password: `sudo {shlex.join(self.removal)}`"
        return Removal(self.subject, "failed", reason)


def of_profile(ctx: Context) -> list[Leftover]:
    """The routes and the resolver's files of this profile, and nobody else's.

    What somebody else's tunnel to the profile uses is that tunnel's.
    """
    if vm.find(ctx.profile) and tunnel_owners.foreign_tunnels(ctx):
        return []
    return [*(_route(ctx, route) for route in own_routes(ctx)), *map(_resolver, _machines(ctx))]


def own_routes(ctx: Context) -> list[Route]:
    """The routes that lead to this profile's machine or led there while it existed, there or not."""
    claimed = [machine.route for machine in _machines(ctx)]
    claimed += [entry.route for entry in tunnel_owners.entries() if entry.machine == ctx.profile]
    return [route for route in dict.fromkeys(claimed) if not _belongs_to_another(route.gateway, ctx.profile)]


def _machines(ctx: Context) -> list[vm.Vm]:
    """The profile's machine as it is and as the tunnel last knew it: one that is deleted leaves them behind."""
    choice = Choice.load(ctx.paths.root)
    known = [vm.find(ctx.profile), choice.vm if choice else None]
    return list(dict.fromkeys(machine for machine in known if machine))


def _belongs_to_another(address: str, profile: str) -> bool:
    """Whether the address was given to another profile's machine since."""
    owner = vm.by_address(address)
    return owner is not None and owner.profile != profile


def _route(ctx: Context, route: Route) -> Leftover:
    is_there = partial(routes.is_there, ctx.runner, route)
    return Leftover(f"route {route}", f"the route {route}", routes.delete_argv(route), is_there)


def _resolver(machine: vm.Vm) -> Leftover:
    path = resolver.path(machine)
    return Leftover(f"file {path}", str(path), resolver.remove_argv(machine), partial(resolver.is_ours, machine))


def remove(ctx: Context, leftovers: Iterable[Leftover]) -> None:
    """Try to; their receipts say what came of it. minikube may have been faster, or put one back."""
    wanted = [each.removal for each in leftovers if each.is_there()]
    if wanted and sudo.allowed(ctx.runner):
        for argv in wanted:
            try:
                sudo.run(ctx.runner, argv)
            except CommandError as error:
                ctx.progress(f"{error.what}: {error.why}")


def registry_entries(ctx: Context) -> list[Removal]:
    """Take this profile's dead tunnels out of minikube's list, and their addresses from the Services."""
    stale = tunnel_owners.stale_entries(ctx.runner, ctx.profile)
    if not stale:
        return []
    tunnel_owners.forget(stale)
    ids = ", ".join(str(entry.pid) for entry in stale)
    removal = Removal(f"entry of tunnel {ids} in {tunnel_owners.registry()}", "removed")
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
