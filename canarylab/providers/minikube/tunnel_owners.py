"""The tunnels of this machine, and whose each is: this tool's, somebody else's, or nobody's, of which an entry is left.

minikube's own list of them, tunnels.json, outlives those that could not clean up. minikube takes any running process
with an entry's id for that tunnel (pkg/minikube/tunnel/process.go, kubernetes/minikube#9188), and then refuses to start
another: "another tunnel is already running".
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canarylab.errors import StageError
from canarylab.files import write_private
from canarylab.providers.minikube import processes, routes, vm
from canarylab.providers.minikube.routes import Route
from canarylab.providers.minikube.tunnel_state import Choice, KeeperReport

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.providers.minikube.processes import Process
    from canarylab.providers.minikube.vm import Vm
    from canarylab.tools.runner import Runner

# -- minikube's list --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One tunnel as it entered itself."""

    machine: str
    pid: int
    route: Route


def registry() -> Path:
    """The file with minikube's list."""
    return vm.home() / "tunnels.json"


def entries() -> list[Entry]:
    """Those that can be read; none where the list is missing or being written."""
    return [entry for raw in _raw() if (entry := _entry(raw))]


def forget(gone: Collection[Entry]) -> None:
    """Take these entries out, and leave the rest as it is."""
    if gone:
        write_private(registry(), json.dumps([raw for raw in _raw() if _entry(raw) not in gone]))


def _raw() -> list[Any]:
    try:
        found = json.loads(registry().read_text() or "null")
    except (FileNotFoundError, ValueError):  # minikube truncates it before it writes
        return []
    return found if isinstance(found, list) else []


def _entry(raw: Any) -> Entry | None:
    try:
        destination = raw["Route"]["DestCIDR"]
        bits = sum(byte.bit_count() for byte in base64.b64decode(destination["Mask"]))
        route = Route(f"{destination['IP']}/{bits}", raw["Route"]["Gateway"])
        return Entry(raw["MachineName"], int(raw["Pid"]), route)
    except (KeyError, TypeError, ValueError):
        return None


# -- whose they are ---------------------------------------------------------------------------------------------------


def own_tunnel(runner: Runner, report: KeeperReport) -> Process | None:
    """The tunnel that the keeper started, if it still runs and is no other process that was given its id."""
    found = processes.find(runner, report.pid) if report.pid else None
    if found is None or found.started != report.started:
        return None
    return found if not found.words or processes.runs_minikube(found.words, "tunnel") else None


def foreign_tunnels(ctx: Context) -> list[Process]:
    """The tunnels of this profile that run and that this tool didn't start."""
    ours = own_tunnel(ctx.runner, KeeperReport.load(ctx.paths.root))
    entered = {entry.pid for entry in entries() if entry.machine == ctx.profile}
    return [
        process
        for process in processes.tunnels(ctx.runner)
        if process != ours
        and (processes.profile_of(process.words) or (ctx.profile if process.pid in entered else "")) == ctx.profile
    ]


def stale_entries(runner: Runner, profile: str, route: Route | None = None) -> list[Entry]:
    """The entries of this profile, or for its route, whose tunnel doesn't run any more."""
    claimed = [entry for entry in entries() if entry.machine == profile or entry.route == route]
    running = {process.pid for process in processes.tunnels(runner)} if claimed else set()
    return [entry for entry in claimed if entry.pid not in running]


def refuse_foreign(ctx: Context) -> None:
    """Raise where somebody else's tunnel of this profile runs: minikube allows one (TUNNEL_ALREADY_RUNNING)."""
    start = ctx.command("tunnel start")
    for process in foreign_tunnels(ctx):
        raise StageError(
            "another tunnel of this profile is already running, and it doesn't work",
            where=str(process),
            why="minikube allows one tunnel per profile (TUNNEL_ALREADY_RUNNING); "
            "this tool only ends tunnels it started",
            remedy=f"end it with Ctrl-C in its terminal, or `kill -INT {process.pid}`; then `{start}`",
        )


def route_conflict(ctx: Context, found: Route, machine: Vm) -> StageError:
    """Why a route to the very same range leads elsewhere, and what to do."""
    choice, owner = Choice.load(ctx.paths.root), vm.by_address(found.gateway)
    start = ctx.command("tunnel start")
    if choice and choice.vm.route == found:
        why = "the virtual machine had that address before"
        remedy = start
    elif owner:
        why = f"profile {owner.profile} has the same range of Services, and this machine can have one route to it"
        remedy = (
            f"end that profile's tunnel (`invoke tunnel stop --profile {owner.profile}`, or Ctrl-C in its terminal); "
            "or give this one a range of its own, minikube's --service-cluster-ip-range: `service_cluster_ip_range: "
            f"10.112.0.0/12` in the playbook's cluster, then `{ctx.command('up --recreate')}`"
        )
    else:
        why = "a VPN or a virtual machine that is gone has put it there: no profile of minikube has that address"
        remedy = f"if nothing needs it: `sudo {shlex.join(routes.delete_argv(found))}`; then `{start}`"
    what = f"conflicting route: {found} is there, {machine.route} is wanted"
    return StageError(what, why=why, remedy=remedy)
