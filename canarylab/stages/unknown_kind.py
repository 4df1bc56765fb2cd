"""Waits for a kind that the cluster doesn't know yet, and says what is wrong where its definition doesn't come."""

from __future__ import annotations

from typing import Any

from canarylab.cancel import wait_until
from canarylab.contract.context import Context
from canarylab.errors import StageError
from canarylab.kube.apply import subject
from canarylab.kube.client import ApiError, Cluster, is_served

_PATIENCE = 30.0
"""Seconds for a definition that nothing announces: no other of its group is there."""
_INTERVAL = 0.2
"""Seconds between two looks: what kinds an API server knows can't be watched."""


def await_definition(ctx: Context, obj: dict[str, Any], origin: str) -> None:
    """Wait until the cluster knows the object's kind.

    Raises StageError at the stage's deadline, or after `_PATIENCE` where neither this stage nor an earlier one brought
    a definition of the group. `origin` is where the object was written down.
    """
    kind, api_version = obj["kind"], obj["apiVersion"]
    ctx.progress(f"waiting for the definition of {kind} in {api_version}")
    began = ctx.cancel.now()

    def is_known() -> bool:
        return is_served(ctx.cluster, api_version, kind)

    def wait(deadline: float) -> bool:
        return wait_until(is_known, deadline=min(deadline, ctx.deadline), cancel=ctx.cancel, interval=_INTERVAL)

    if not wait(began + _PATIENCE) and not (_kinds_of_group(ctx.cluster, api_version) != [] and wait(ctx.deadline)):
        raise StageError(
            f"{subject(obj)} can't be made: the cluster has no kind {kind} in {api_version}, and its definition didn't "
            f"appear within {ctx.cancel.now() - began:.0f} s",
            where=origin,
            why=_why(ctx.cluster, api_version),
            remedy=f"correct kind and apiVersion there; or name the stage that brings the definition in `needs` of "
            f"{ctx.stage}",
        )


def _why(cluster: Cluster, api_version: str) -> str:
    group, kinds = _group(api_version), _kinds_of_group(cluster, api_version)
    if "." not in group:
        return f"{api_version} is Kubernetes' own, and has no such kind"
    if kinds is None:
        return "this user may not read which definitions there are"
    if not kinds:
        return f"no CustomResourceDefinition of group {group} is in the cluster, and none in this stage"
    return f"the definitions of group {group} are those of {', '.join(kinds)}"


def _kinds_of_group(cluster: Cluster, api_version: str) -> list[str] | None:
    """What definitions of its group bring, as `Kind (versions)`; None where this user may not read them."""
    try:
        definitions = cluster.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    except ApiError:
        return None
    specs = [found["spec"] for found in definitions if found["spec"]["group"] == _group(api_version)]
    return [f"{spec['names']['kind']} ({', '.join(one['name'] for one in spec['versions'])})" for spec in specs]


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]
