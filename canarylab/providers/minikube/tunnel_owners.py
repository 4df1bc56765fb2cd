"""Who owns a tunnel: this tool, somebody else, whose tunnel stays, or nobody, where only an entry is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canarylab.errors import StageError
from canarylab.providers.minikube import processes, routes, tunnel_list, vm
from canarylab.providers.minikube.tunnel_state import Choice, KeeperReport

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.providers.minikube.processes import Process
    from canarylab.providers.minikube.routes import Route
    from canarylab.providers.minikube.tunnel_list import Entry
    from canarylab.providers.minikube.vm import Vm
    from canarylab.tools.runner import Runner


def own_tunnel(runner: Runner, report: KeeperReport) -> Process | None:
    """The tunnel that the keeper started, if it still runs and is no other process that was given its id."""
    found = processes.find(runner, report.pid) if report.pid else None
    if found is None or found.started != report.started:
        return None
    return found if not found.words or processes.runs_minikube(found.words, "tunnel") else None


def foreign_tunnels(ctx: Context) -> list[Process]:
    """The tunnels of this profile that run and that this tool didn't start."""
    ours = own_tunnel(ctx.runner, KeeperReport.load(ctx.paths.root))
    entered = {entry.pid for entry in tunnel_list.entries() if entry.machine == ctx.profile}
    return [
        process
        for process in processes.tunnels(ctx.runner)
        if process != ours
        and (processes.profile_of(process.words) or (ctx.profile if process.pid in entered else "")) == ctx.profile
    ]


def stale_entries(runner: Runner, profile: str, route: Route | None = None) -> list[Entry]:
    """The entries of this profile, or for its route, whose tunnel doesn't run any more."""
    claimed = [entry for entry in tunnel_list.entries() if entry.machine == profile or entry.route == route]
    running = {process.pid for process in processes.tunnels(runner)} if claimed else set()
    return [entry for entry in claimed if entry.pid not in running]


def refuse_foreign(ctx: Context) -> None:
    """Raise where somebody else's tunnel of this profile runs: minikube allows one (TUNNEL_ALREADY_RUNNING)."""
    for process in foreign_tunnels(ctx):
        raise StageError(
            "another tunnel of this profile is already running, and it doesn't work",
            where=str(process),
            why="minikube runs one tunnel a profile (TUNNEL_ALREADY_RUNNING); this tool ends none that it didn't start",
            remedy=f"end it with Ctrl-C in its terminal, or `kill -INT {process.pid}`; then `invoke tunnel start`",
        )


def route_conflict(ctx: Context, found: Route, machine: Vm) -> StageError:
    """Why a route to the very same range leads elsewhere, and what to do."""
    choice, owner = Choice.load(ctx.paths.root), vm.by_address(found.gateway)
    if choice and choice.vm.route == found:
        why = "the virtual machine had that address before"
        remedy = f"invoke tunnel start --profile {ctx.profile}"
    elif owner:
        why = f"profile {owner.profile} has the same range of Services, and this machine can have one route to it"
        remedy = (
            f"end that profile's tunnel (`invoke tunnel stop --profile {owner.profile}`, or Ctrl-C in its terminal); "
            "or give this one a range of its own, minikube's --service-cluster-ip-range: `service_cluster_ip_range: "
            "10.112.0.0/12` in the playbook's cluster, then `invoke up --recreate`"
        )
    else:
        why = "a VPN or a virtual machine that is gone has put it there: no profile of minikube has that address"
        remedy = f"if nothing needs it: `sudo {' '.join(routes.delete_argv(found))}`; then `invoke tunnel start`"
    what = f"conflicting route: {found} is there, {machine.route} is wanted"
    return StageError(what, why=why, remedy=remedy)
