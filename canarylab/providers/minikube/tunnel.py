"""The tunnel of a minikube profile: minikube's own, in the background; where that can't be, the machine's own ports."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from canarylab.contract.provider import Access, TunnelStatus
from canarylab.errors import CanarylabError, NotYetObservableError, StageError
from canarylab.kube.objects import load_balancer_address, load_balancers
from canarylab.providers.minikube import keeper, routes, tunnel_leftovers, tunnel_owners, tunnel_start, vm
from canarylab.providers.minikube.problems import explain
from canarylab.providers.minikube.tunnel_state import Choice, KeeperReport
from canarylab.providers.minikube.vm import Vm
from canarylab.removal import Removal
from canarylab.tools.minikube import Minikube

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_PENDING = "pending"
_BALANCER = "loadbalancer emulator"
"""The part of minikube's tunnel that gives the Services their addresses, by the API server."""
_SHOWN = 80
"""The port that is shown of a Service that has several."""


class TunnelAccess(Access):
    """By the profile's kubeconfig, and the tunnel or, as the fallback, node ports."""

    def tunnel_start(self, ctx: Context) -> None:
        """Have the Services answer on this machine, by the tunnel or by node ports, and remember which.

        Raises StageError where there is no way at all, and for a route or a tunnel of somebody else that is in the way.
        """
        machine = _machine(ctx)
        if (self.tunnel_status(ctx).running and not _uses_node_ports(ctx)) or _only_waits(ctx, machine):
            return
        if machine.is_hidden:
            raise _hidden(machine)
        if machine.has_builtin_network:
            tunnel_start.use_node_ports(ctx, machine, "minikube has no tunnel for qemu's builtin network")
            return
        ctx.paths.create()
        tunnel_start.stop_keeper(ctx)
        tunnel_owners.refuse_foreign(ctx)
        if why := tunnel_start.make_route(ctx, machine):
            tunnel_start.use_node_ports(ctx, machine, why)
        else:
            tunnel_start.run_keeper(ctx, machine)

    def tunnel_stop(self, ctx: Context) -> list[Removal]:
        """End the tunnel and take back what it made, and nothing of others."""
        if choice := Choice.load(ctx.paths.root):  # from now on the keeper puts no route back
            Choice("stopped", choice.vm).save(ctx.paths.root)
        known = tunnel_leftovers.of_profile(ctx)
        were_there = [each for each in known if each.is_there()]
        tunnel_leftovers.remove(ctx, known)  # first: minikube, without a terminal, would ask for sudo in vain
        removals = [Removal("tunnel process", "removed")] if tunnel_start.stop_keeper(ctx) else []
        tunnel_leftovers.remove(ctx, known)
        removals += [each.receipt for each in were_there]
        if not any(removal.outcome == "failed" for removal in removals):
            removals += tunnel_leftovers.registry_entries(ctx)
            Choice.forget(ctx.paths.root)
        return removals + [
            Removal(f"tunnel of {found}, and its route", "left", "this tool didn't start it")
            for found in tunnel_owners.foreign_tunnels(ctx)
        ]

    def tunnel_status(self, ctx: Context) -> TunnelStatus:
        machine, choice = vm.find(ctx.profile), Choice.load(ctx.paths.root)
        if machine is None:
            return TunnelStatus(running=False, pid=None, route="", addresses={}, problems=("there is no cluster yet",))
        if choice and choice.way == "nodeport":
            return self._node_port_status(ctx, machine, choice.why)
        report = KeeperReport.load(ctx.paths.root)
        process, note = tunnel_owners.own_tunnel(ctx.runner, report), ""
        is_watched = bool(choice and choice.way == "tunnel" and tunnel_start.supervisor(ctx).is_running(keeper.PROGRAM))
        if not is_watched:
            process = next(iter(tunnel_owners.foreign_tunnels(ctx)), None)
            note = f"this tool didn't start it, and won't start it again: {process}" if process else ""
        is_there = is_watched or process is not None
        problems = _problems(ctx, machine, report if is_watched else KeeperReport()) if is_there else []
        addresses, unseen = _addresses(ctx, lambda service: load_balancer_address(service) or _PENDING)
        pid, route = process.pid if process else None, str(machine.route)
        return TunnelStatus(is_there and not problems, pid, route, addresses, (*problems, *unseen), note)

    def endpoint(self, ctx: Context, service: dict[str, Any], port: int) -> tuple[str, int] | None:
        """Where a port of a LoadBalancer Service answers; None while it doesn't."""
        if _uses_node_ports(ctx):
            node_port = _node_ports(service).get(port)
            return (_machine(ctx).address, node_port) if node_port else None
        address = load_balancer_address(service)
        return (address, port) if address else None

    def check_route(self, ctx: Context, address: str) -> None:
        """Raise unless a request to `address` would go into this profile's machine."""
        routes.require(ctx.runner, address, _machine(ctx).address, ctx.command("tunnel start"))

    def _node_port_status(self, ctx: Context, machine: Vm, why: str) -> TunnelStatus:
        problems = []
        try:
            self.check_route(ctx, machine.address)
        except CanarylabError as error:
            problems.append(error.what)
        addresses, unseen = _addresses(ctx, lambda service: node_port_shown(service, machine.address))
        route = f"none: ports of {machine.address}"
        note = f"a fallback, by NodePort, since {why}; `{ctx.command('tunnel start')}` tries again for a tunnel"
        return TunnelStatus(not problems, None, route, addresses, (*problems, *unseen), note)


def _machine(ctx: Context) -> Vm:
    machine = vm.find(ctx.profile)
    if machine is None:
        raise NotYetObservableError("there is no cluster yet", remedy=ctx.command("up"))
    return machine


def _only_waits(ctx: Context, machine: Vm) -> bool:
    """Whether its tunnel holds the route and minikube only can't reach the API server now, which it tries again itself.

    A new tunnel wouldn't even begin (exit code 103), and the Services answer through this one.
    """
    choice, report = Choice.load(ctx.paths.root), KeeperReport.load(ctx.paths.root)
    return (
        choice is not None
        and choice.way == "tunnel"
        and set(report.errors) == {_BALANCER}
        and tunnel_start.supervisor(ctx).is_running(keeper.PROGRAM)
        and tunnel_owners.own_tunnel(ctx.runner, report) is not None
        and routes.is_there(ctx.runner, machine.route)
    )


def _uses_node_ports(ctx: Context) -> bool:
    choice = Choice.load(ctx.paths.root)
    return choice is not None and choice.way == "nodeport"


def node_port_shown(service: dict[str, Any], address: str) -> str:
    """`ADDRESS:PORT` of the machine for people, "pending" where Kubernetes gave the Service no port yet."""
    ports = _node_ports(service)
    port = ports.get(_SHOWN) or next(iter(ports.values()), None)
    return f"{address}:{port}" if port else _PENDING


def _node_ports(service: dict[str, Any]) -> dict[int, int]:
    """The machine's own port for each port of a Service that Kubernetes gave one; the first where UDP has it, too."""
    found: dict[int, int] = {}
    for each in service["spec"].get("ports", []):
        if "nodePort" in each:
            found.setdefault(each["port"], each["nodePort"])
    return found


def _problems(ctx: Context, machine: Vm, report: KeeperReport) -> list[str]:
    """What is wrong with the route, what the keeper and minikube's status block complain of, and why."""
    found = routes.route_to(ctx.runner, machine.services)
    if found and found != machine.route:
        conflict = tunnel_owners.route_conflict(ctx, found, machine)
        return [f"{conflict.what}: {conflict.why}; next: {conflict.remedy}"]
    said = [*filter(None, [report.problem]), *(f"{part}: {error}" for part, error in report.errors.items())]
    if found is None:
        said.append(f"the route {machine.route} is missing: `{ctx.command('tunnel start')}` puts it back")
    whys = [explain(report.code or 0, "", each).why for each in said]
    first = [each.partition("\n")[0] for each in said]
    return [f"{each} ({why})" if why else each for each, why in zip(first, whys, strict=True)]


def _addresses(ctx: Context, said: Callable[[dict[str, Any]], str]) -> tuple[dict[str, str], list[str]]:
    """By namespace/name of each LoadBalancer Service; and why, where they can't be listed."""
    try:
        balanced = load_balancers(ctx.cluster.list("v1", "Service"))
    except CanarylabError as error:
        return {}, [error.what]
    return {name: said(service) for name, service in balanced.items()}, []


def _hidden(machine: Vm) -> StageError:
    return StageError(
        f"with driver {machine.driver} the cluster can only be reached from macOS through a tunnel in a terminal",
        why="its containers run in a virtual machine of their own; minikube then forwards single ports over ssh, those "
        "below 1024 with sudo, which nobody can answer in the background",
        remedy=f"keep `{' '.join(Minikube(machine.profile).tunnel())}` running in a terminal of its own, or use "
        "driver qemu or vfkit with a network of its own",
    )
