"""`invoke status`: every stage as it is now, the gateway's address, the Rollouts' trees. Reads only."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from canarylab.commands.run import Options, run
from canarylab.contract.context import Context
from canarylab.contract.stage import AnyStage
from canarylab.demo import plugin
from canarylab.engine.look import Look, look
from canarylab.errors import EXIT_DONE, EXIT_FAILED, CanarylabError, NotYetObservableError, StageError
from canarylab.kube.client import FIELD_MANAGER
from canarylab.ownership.foreign import is_of_release
from canarylab.report import status as report
from canarylab.report.status import RolloutCause, StageStatus, StatusReport
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.view import API_VERSION

_ANSWER_SECONDS = 2.0
"""How long a sign of life may take; a cluster that is busy has two tries."""
_SILENT = "the cluster doesn't answer"
_SHOWN = 3
"""How many changes are named as the reason."""
_STAGE = f"{FIELD_MANAGER}/"
_ROLLOUT = (API_VERSION, "Rollout")


def status(options: Options) -> int:
    """Exit code 0 where every stage is present, healthy and without drift, else 1."""
    found: list[StatusReport] = []

    def work(ctx: Context) -> int:
        found.append(_report(ctx))
        well = all(
            stage["state"] == "present" and stage["healthy"] and not stage["drifted"] for stage in found[0]["stages"]
        )
        return EXIT_DONE if well else EXIT_FAILED

    code = run(options, work)
    for seen in found:
        report.show(seen, options.output, sys.stdout)
    return code


def _report(ctx: Context) -> StatusReport:
    stages = look_at(ctx, ctx.playbook.stages)
    silent = any(stage["reason"] == _SILENT for stage in stages)
    names = [] if silent else _names_shown(ctx)
    tree, missing = (None, None) if silent else _trees(ctx, names)
    return StatusReport(
        profile=ctx.profile,
        provider=ctx.provider.name,
        kubeconfig=str(ctx.paths.kubeconfig),
        context=_context_name(ctx),
        gateway=None if silent else _gateway(ctx),
        stages=stages,
        rollout=tree,
        rollout_problem=missing,
        causes=_causes(ctx, names),
    )


def _context_name(ctx: Context) -> str:
    """What kubectl calls it; the profile's name as long as there is no cluster to ask."""
    with suppress(CanarylabError):
        return ctx.ownership.context_name(ctx)
    return ctx.profile


def look_at(ctx: Context, stages: Sequence[AnyStage]) -> list[StageStatus]:
    """Each stage: absent where nothing of it is there; else whether it is healthy and drifted, and why.

    In a cluster that doesn't answer nothing is asked for, stage by stage, that would be waited for as long each time.
    """
    if not _is_silent(ctx):
        return [found.seen or _unseen(found) for found in look(ctx, stages, _see, float("inf"))]
    looked = look(ctx, [stage for stage in stages if not stage.in_cluster], _see, float("inf"))
    below = {found.stage.name: found.seen or _unseen(found) for found in looked}
    return [below.get(stage.name) or _status(stage, "unknown", _SILENT) for stage in stages]


def _is_silent(ctx: Context) -> bool:
    """Whether there is a cluster that gives no sign of life, asked twice."""
    if not ctx.paths.kubeconfig.exists():
        return False
    try:
        return not any(ctx.cluster.answers(_ANSWER_SECONDS) for _ in range(2))
    except CanarylabError:  # the stages say why nobody can connect
        return False


def _see(ctx: Context, stage: AnyStage) -> StageStatus:
    observed = stage.observe(ctx)
    changes = stage.changes(observed)
    differences = "; ".join(f"{change.subject}: {change.reason}" for change in changes[:_SHOWN])
    if stage.is_absent(observed):
        return _status(stage, "absent", differences)
    unhealthy = _why_unhealthy(ctx, stage)
    seen = _status(stage, "present", "; ".join(filter(None, (unhealthy, differences))))
    return {**seen, "healthy": unhealthy is None, "drifted": bool(changes), "facts": _facts(ctx, stage)}


def _unseen(found: Look[StageStatus]) -> StageStatus:
    if found.not_yet:
        return _status(found.stage, "absent", found.not_yet.what)
    return _status(found.stage, "unknown", str(found.error).splitlines()[0])


def _status(stage: AnyStage, state: str, reason: str) -> StageStatus:
    return StageStatus(
        name=stage.name, kind=stage.kind, state=state, healthy=False, drifted=False, reason=reason, facts={}
    )


def _why_unhealthy(ctx: Context, stage: AnyStage) -> str | None:
    try:
        reason = stage.health(ctx)
        found = stage.cause(ctx) if reason else None
    except (NotYetObservableError, StageError) as error:  # a cluster whose machine was stopped; what waiting can't fix
        return error.what
    # Of a Rollout it is told by itself, below the stages.
    return f"{found.why}; next: {found.remedy}" if reason and found and reason in found.why else reason


def _facts(ctx: Context, stage: AnyStage) -> dict[str, Any]:
    with suppress(NotYetObservableError):
        return stage.facts(ctx)
    return {}


def _gateway(ctx: Context) -> str | None:
    """The address of the first LoadBalancer Service that has one: of the playbook's releases, then of its stages."""
    try:
        services = sorted(_ours(ctx, ctx.cluster.list("v1", "Service")), key=lambda service: _rank(ctx, service))
        balanced = [service for service in services if service["spec"].get("type") == "LoadBalancer"]
        found = (
            ctx.provider.access.endpoint(ctx, service, service["spec"]["ports"][0]["port"]) for service in balanced
        )
        return next((endpoint[0] for endpoint in found if endpoint), None)
    except CanarylabError:
        return None  # the stages say why


def _names_shown(ctx: Context) -> list[tuple[str, str]]:
    """Namespace and name of every Rollout but other playbooks'."""
    try:
        rollouts = ctx.cluster.list(*_ROLLOUT)
    except CanarylabError:
        return []  # no cluster, or no Argo Rollouts in it: the stages say so
    return [(rollout["metadata"]["namespace"], rollout["metadata"]["name"]) for rollout in _shown(ctx, rollouts)]


def _causes(ctx: Context, names: Sequence[tuple[str, str]]) -> list[RolloutCause]:
    """Why those that don't get on don't."""
    found = ((name, causes.trouble(ctx, *name)) for name in names)
    return [RolloutCause(rollout="/".join(name), why=cause.why, remedy=cause.remedy) for name, cause in found if cause]


def _trees(ctx: Context, names: Sequence[tuple[str, str]]) -> tuple[str | None, str | None]:
    """What `kubectl argo rollouts get rollout` prints of them, and why it can't."""
    try:
        trees = [plugin.run(ctx, plugin.plugin(ctx).get_rollout(namespace, name)) for namespace, name in names]
    except CanarylabError as error:
        listed = ", ".join(f"{namespace}/{name}" for namespace, name in names)
        return None, f"the tree of Rollout {listed} can't be shown: {error}"
    return "\n".join(trees) or None, None


def _ours(ctx: Context, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All there are in a cluster of our own; elsewhere those that have to do with the playbook."""
    return [obj for obj in objects if ctx.ownership.concerns(ctx, obj)]


def _rank(ctx: Context, service: dict[str, Any]) -> int:
    if is_of_release(ctx, service):
        return 0
    return 1 if _makers(service) & _names(ctx) else 2


def _shown(ctx: Context, rollouts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that other playbooks' stages made in the same cluster."""
    return [obj for obj in _ours(ctx, rollouts) if not _makers(obj) or _makers(obj) & _names(ctx)]


def _makers(obj: dict[str, Any]) -> set[str]:
    """The names of the stages that applied the object: each is a field manager of its own."""
    managers = (str(entry.get("manager")) for entry in obj["metadata"].get("managedFields") or [])
    return {name.removeprefix(_STAGE) for name in managers if name.startswith(_STAGE)}


def _names(ctx: Context) -> set[str]:
    return {stage.name for stage in ctx.playbook.stages}
