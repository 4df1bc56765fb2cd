"""`invoke status`: every stage as it is now, the gateway's address, the Rollouts' trees. Reads only."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from canarylab.commands.run import Options, run
from canarylab.context import Context
from canarylab.demo import plugin
from canarylab.errors import EXIT_DONE, EXIT_FAILED, CanarylabError, NotYetObservableError
from canarylab.report import status as report
from canarylab.report.status import StageStatus, StatusReport
from canarylab.stages.base import Change, Stage
from canarylab.stages.respect import is_of_playbook

_SECONDS = 60.0
_ROLLOUT = ("argoproj.io/v1alpha1", "Rollout")


def status(options: Options) -> int:
    """Exit code 0 where every stage is present, healthy and without drift, else 1."""
    found: list[StatusReport] = []

    def work(ctx: Context) -> int:
        found.append(_look(ctx))
        well = all(
            stage["state"] == "present" and stage["healthy"] and not stage["drifted"] for stage in found[0]["stages"]
        )
        return EXIT_DONE if well else EXIT_FAILED

    code = run(options, work)
    for seen in found:
        report.show(seen, options.output, sys.stdout)
    return code


def _look(ctx: Context) -> StatusReport:
    stages = ctx.playbook.stages
    with ThreadPoolExecutor(max_workers=len(stages)) as pool:
        looks = list(pool.map(lambda stage: look_at(ctx.for_stage(stage.name, ctx.deadline), stage), stages))
    return StatusReport(
        profile=ctx.profile,
        provider=ctx.provider.name,
        kubeconfig=str(ctx.paths.kubeconfig),
        context=_context_name(ctx),
        gateway=_gateway(ctx),
        stages=looks,
        rollout=_trees(ctx),
    )


def _context_name(ctx: Context) -> str:
    """What kubectl calls it; the profile's name as long as there is no cluster to ask."""
    try:
        return ctx.cluster.context
    except CanarylabError:
        return ctx.profile


def look_at(ctx: Context, stage: Stage[Any, Any]) -> StageStatus:
    """One stage: present, healthy, drifted, and why not."""
    seen = StageStatus(
        name=stage.name, kind=stage.kind, state="unknown", healthy=False, drifted=False, reason="", facts={}
    )
    try:
        changes = stage.changes(stage.observe(ctx))
        seen["state"] = "absent" if _is_absent(changes) else "present"
        seen["drifted"] = bool(changes) and seen["state"] == "present"
        reason = stage.health(ctx) if seen["state"] == "present" else None
        seen["healthy"] = seen["state"] == "present" and reason is None
        seen["reason"] = reason or "; ".join(f"{change.subject}: {change.reason}" for change in changes[:3])
        seen["facts"] = stage.facts(ctx) if seen["state"] == "present" else {}
    except NotYetObservableError as error:
        seen["state"], seen["reason"] = "absent", error.what
    except CanarylabError as error:
        seen["reason"] = str(error).splitlines()[0]
    return seen


def _is_absent(changes: Sequence[Change]) -> bool:
    """Nothing is there where everything would have to be made."""
    return bool(changes) and all(change.action in ("create", "build", "start") for change in changes)


def _gateway(ctx: Context) -> str | None:
    """The address of the first LoadBalancer Service that has one: the playbooks have one gateway."""
    try:
        services = ctx.cluster.list("v1", "Service")
    except CanarylabError:
        return None
    balanced = [service for service in _ours(ctx, services) if service["spec"].get("type") == "LoadBalancer"]
    found = (ctx.provider.endpoint(ctx, service, service["spec"]["ports"][0]["port"]) for service in balanced)
    return next((endpoint[0] for endpoint in found if endpoint), None)


def _trees(ctx: Context) -> str | None:
    """What `kubectl argo rollouts get rollout` prints, for every Rollout of ours."""
    try:
        rollouts = ctx.cluster.list(*_ROLLOUT)
    except CanarylabError:
        return None  # no cluster, or no Argo Rollouts in it: the stages say so
    names = [(rollout["metadata"]["namespace"], rollout["metadata"]["name"]) for rollout in _ours(ctx, rollouts)]
    trees = [plugin.run(ctx, plugin.plugin(ctx).get_rollout(namespace, name)) for namespace, name in names]
    return "\n".join(trees) or None


def _ours(ctx: Context, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All there are in a cluster of our own; elsewhere those that have to do with the playbook."""
    return [obj for obj in objects if ctx.provider.owns_cluster or is_of_playbook(ctx, obj)]
