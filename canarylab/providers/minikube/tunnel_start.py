"""Bringing the tunnel up, step by step; where a step needs root and can't have it, node ports are used."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from canarylab.cancel import wait_until
from canarylab.errors import CanarylabError, CommandError, StageError
from canarylab.events import Notice
from canarylab.providers.minikube import keeper, problems, processes, resolver, routes, tunnel_leftovers, tunnel_owners
from canarylab.providers.minikube.tunnel_state import Choice, KeeperReport
from canarylab.tools import sudo
from canarylab.tools.supervisord import Program, Supervisor

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.providers.minikube.vm import Vm

_UNIMPLEMENTED = 16
_FIRST_WORDS_SECONDS = 30.0
"""minikube prints its first status block after some 5 s; before, it asks the API and looks for old tunnels."""
_STOP_SECONDS = 30
"""More than the keeper allows minikube itself."""


def supervisor(ctx: Context) -> Supervisor:
    """The profile's supervisord, running or not."""
    return Supervisor(ctx.profile, ctx.paths.root, ctx.runner)


def make_route(ctx: Context, machine: Vm) -> str:
    """Put the route in place, and on macOS the resolver's file; "" once it is there, else why it can't be.

    Raises StageError for a route to the same range that somebody else made.
    """
    found = routes.route_to(ctx.runner, machine.services)
    if found == machine.route:
        return ""
    if found and found not in tunnel_leftovers.own_routes(ctx):
        raise tunnel_owners.route_conflict(ctx, found, machine)
    if not sudo.allowed(ctx.runner):
        return f"the route {machine.route} needs sudo, and there was nobody to ask for the password"
    try:
        if found:
            sudo.run(ctx.runner, routes.delete_argv(found))
        sudo.run(ctx.runner, routes.add_argv(machine.route))
    except CommandError as error:
        if sudo.is_root():
            raise
        return f"the route {machine.route} can't be made: {error.why or error.what}"
    _make_resolver(ctx, machine)
    return ""


def _make_resolver(ctx: Context, machine: Vm) -> None:
    """Names of the cluster are a convenience: like minikube itself, it goes on without."""
    if not resolver.is_wanted(machine):
        return
    try:
        resolver.write(machine, lambda argv: sudo.run(ctx.runner, argv))
    except CommandError as error:
        ctx.emit(Notice(f"names of the cluster don't resolve on this machine: {error.what}"))


def use_node_ports(ctx: Context, machine: Vm, why: str) -> None:
    """Have the Services answer at ports of the machine itself. Raises StageError where those are out of reach, too."""
    try:
        routes.require(ctx.runner, machine.address, machine.address, ctx.command("tunnel start"))
    except CanarylabError as error:
        raise StageError(
            "the Services can't be reached from this machine",
            why=f"{why}; and ports of the virtual machine can't be reached either: {error.what}",
            remedy="recreate it with a network that this machine is part of (network: socket_vmnet in the playbook, "
            f"then `{ctx.command('up --recreate')}`)"
            if machine.has_builtin_network
            else f"run `{ctx.command('tunnel start')}` in a terminal, where it can ask for the password",
        ) from error
    ctx.paths.create()
    Choice("nodeport", machine, why).save(ctx.paths.root)
    ctx.emit(Notice(f"no tunnel: {why}. The Services answer at ports of the virtual machine {machine.address} instead"))


def run_keeper(ctx: Context, machine: Vm) -> None:
    """Start the keeper and wait for minikube's first words; they may lead to node ports instead."""
    Choice("tunnel", machine).save(ctx.paths.root)
    words = keeper.argv(ctx.paths.root, ctx.profile)
    program = Program(keeper.PROGRAM, words, stop_signal="INT", stop_seconds=_STOP_SECONDS)
    supervisor(ctx).start(program, ctx.cancel)
    ctx.progress("waiting for minikube's tunnel")
    deadline = time.monotonic() + min(_FIRST_WORDS_SECONDS, ctx.remaining)
    wait_until(lambda: _has_reported(ctx), deadline=deadline, cancel=ctx.cancel, interval=0.2)
    report = KeeperReport.load(ctx.paths.root)
    if not (report.problem or report.errors.get("router")):
        return
    stop_keeper(ctx)
    Choice("stopped", machine).save(ctx.paths.root)
    if report.code == _UNIMPLEMENTED:
        use_node_ports(ctx, machine, "minikube has no tunnel for this driver and network")
        return
    tunnel_owners.refuse_foreign(ctx)
    raise _failure(ctx, report)


def _failure(ctx: Context, report: KeeperReport) -> CanarylabError:
    """What minikube said, with what it leaves out."""
    where = str(supervisor(ctx).log(keeper.PROGRAM))
    if report.code:
        return problems.failure("hold a tunnel", report.said, report.code, ctx, where=where)
    said = report.problem or report.errors["router"]
    problem, said = problems.explain(0, "", said), said.partition("\n")[0]
    remedy = problem.remedy_for(ctx) or f"`{ctx.command('up')}` checks the cluster and repairs what is missing"
    return StageError(said, where=where, why=problem.why or None, remedy=remedy)


def stop_keeper(ctx: Context) -> bool:
    """End the keeper, which ends minikube's tunnel by SIGINT, and a tunnel that it left; False where none ran.

    Raises StageError where that one doesn't end: who it is stays written down, for whoever tries again.
    """
    was_there = supervisor(ctx).stop(keeper.PROGRAM)
    supervisor(ctx).shutdown(ctx.cancel)
    left = tunnel_owners.own_tunnel(ctx.runner, KeeperReport.load(ctx.paths.root))
    if left and not processes.end(ctx.runner, left, ctx.cancel, keeper.SIGNALS):
        raise StageError(
            "minikube's tunnel, which this tool started, doesn't end, not even by SIGKILL",
            where=str(left),
            remedy=f"`ps -o pid,user,stat,args -p {left.pid}` shows what it waits for; then run this again",
        )
    KeeperReport.forget(ctx.paths.root)
    return was_there or left is not None


def _has_reported(ctx: Context) -> bool:
    report = KeeperReport.load(ctx.paths.root)
    return bool(report.route or report.problem)
