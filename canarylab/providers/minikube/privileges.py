"""What a command will need root for: known before its first change, so that it can be asked for once, at the start."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from canarylab.providers.minikube import resolver, routes, tunnel_list, tunnel_owners, vm
from canarylab.providers.minikube.tunnel_state import Choice
from canarylab.providers.minikube.vm import Vm

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.providers.minikube.routes import Route

_BRINGS_UP = ("up", "tunnel start")
_TAKES_DOWN = ("teardown", "tunnel stop")


def needed(ctx: Context, command: str) -> list[str]:
    """In words; [] where nothing of this command needs root."""
    if command in _BRINGS_UP:
        return _to_start(ctx, command)
    return _to_stop(ctx) if command in _TAKES_DOWN else []


def _to_start(ctx: Context, command: str) -> list[str]:
    choice, machine = Choice.load(ctx.paths.root), vm.find(ctx.profile)
    has_tunnel = command != "up" or any(stage.kind == "tunnel" for stage in ctx.playbook.stages)
    keeps_node_ports = command == "up" and choice is not None and choice.way == "nodeport"
    if not has_tunnel or keeps_node_ports or (machine and (machine.has_builtin_network or machine.is_hidden)):
        return []
    if machine is None:
        named = f", and {resolver.FOLDER}" if platform.system() == "Darwin" else ""
        return [f"the route to the cluster's Services{named}"]
    if routes.route_to(ctx.runner, machine.services) == machine.route:
        return []
    return [f"the route {machine.route}", *([str(resolver.path(machine))] if resolver.is_wanted(machine) else [])]


def _to_stop(ctx: Context) -> list[str]:
    found = [f"the route {route}" for route in own_routes(ctx)]
    return found + [str(resolver.path(machine)) for machine in own_resolvers(ctx)]


def machines(ctx: Context) -> list[Vm]:
    """The profile's machine as it is and as the tunnel last knew it: one that is deleted leaves its traces."""
    choice = Choice.load(ctx.paths.root)
    known = [vm.find(ctx.profile), choice.vm if choice else None]
    return list(dict.fromkeys(machine for machine in known if machine))


def own_routes(ctx: Context) -> list[Route]:
    """The routes of this machine that lead to this profile's, or led there while it existed; nobody else's.

    One that somebody else's tunnel to the profile uses is that tunnel's.
    """
    if vm.find(ctx.profile) and tunnel_owners.foreign_tunnels(ctx):
        return []
    claimed = [machine.route for machine in machines(ctx)]
    claimed += [entry.route for entry in tunnel_list.entries() if entry.machine == ctx.profile]
    return [
        route
        for route in dict.fromkeys(claimed)
        if routes.route_to(ctx.runner, route.destination) == route
        and not _belongs_to_another(route.gateway, ctx.profile)
    ]


def own_resolvers(ctx: Context) -> list[Vm]:
    """The machines whose resolver's file is there and is this profile's."""
    if vm.find(ctx.profile) and tunnel_owners.foreign_tunnels(ctx):
        return []
    return [machine for machine in machines(ctx) if resolver.is_ours(machine)]


def _belongs_to_another(address: str, profile: str) -> bool:
    """Whether the address was given to another profile's machine since."""
    owner = vm.by_address(address)
    return owner is not None and owner.profile != profile
