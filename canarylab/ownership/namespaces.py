"""Namespaces of a cluster that others use too: made with our label, and deleted only with nothing of theirs in them."""

from __future__ import annotations

from typing import Any

from canarylab.contract.context import Context
from canarylab.errors import StageError
from canarylab.kube.client import FIELD_MANAGER, ApiError, Cluster
from canarylab.kube.objects import is_terminating, listed, managers_of, owned, owner_of
from canarylab.kube.watch import Watch
from canarylab.ownership.listing import list_if_served
from canarylab.removal import Removal

_KUBERNETES = {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"}
_CONTROLLERS = _KUBERNETES | {"pilot-discovery", "pilot-agent", "rollouts-controller"}
"""Field managers of what comes by itself: Kubernetes' own, and the controllers that playbooks install. What only they
wrote into a namespace of ours, such as a service account's or a proxy's certificate, goes with it."""

_IN_EVERY_ONE = (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt"))
_PASSING = ("Event", "Lease", "EndpointSlice", "Endpoints", "PodMetrics")
"""Kinds that hold nothing of anybody's."""


def is_namespace_terminating(cluster: Cluster, name: str) -> bool:
    """Whether it is being deleted: what is still in it is going, and nothing new can be made in it."""
    return is_terminating(cluster.get("v1", "Namespace", name))


def standing(cluster: Cluster, name: str) -> dict[str, Any] | None:
    """The namespace as it is; None where there is none, or it is being deleted and has to be made anew."""
    live = cluster.get("v1", "Namespace", name)
    return None if is_terminating(live) else live


def await_gone(ctx: Context, name: str) -> None:
    """Wait for a namespace that is being deleted to be gone; nothing to wait for where it isn't being deleted.

    Raises StageError at the stage's deadline, with what the namespace says holds it up.
    """

    def look() -> str | None:
        return _what_holds(ctx.cluster, name) if is_namespace_terminating(ctx.cluster, name) else None

    if look() is None:
        return
    ctx.progress(f"waiting: Namespace {name} is being deleted")
    if reason := ctx.cluster.wait([Watch("v1", "Namespace")], look, deadline=ctx.deadline, cancel=ctx.cancel):
        raise StageError(
            f"Namespace {name} is being deleted and doesn't go away",
            where=f"stage {ctx.stage}",
            why=reason,
            remedy=f"kubectl get namespace {name} -o yaml   (its conditions and finalizers say what is left)",
        )


def _what_holds(cluster: Cluster, name: str) -> str:
    conditions = listed(cluster.get("v1", "Namespace", name), "status", "conditions")
    reported = [found["message"] for found in conditions if found["status"] == "True"]
    return "; ".join(reported) or "it is still there"


def _not_ready_for_pods(cluster: Cluster, name: str) -> str | None:
    """Why the API server refuses pods in a namespace that was made a moment ago; None once it takes them.

    Every pod runs as a service account, and a controller makes a namespace's `default` only afterwards.
    """
    try:
        account = cluster.get("v1", "ServiceAccount", "default", name)
    except ApiError as error:
        if error.is_forbidden:  # to this user: it can only be tried
            return None
        raise
    return None if account else f"Namespace {name} doesn't have its service account `default` yet"


def await_ready_for_pods(ctx: Context, name: str) -> None:
    """Wait until pods can be made in it. Raises StageError at the stage's deadline."""

    def look() -> str | None:
        return _not_ready_for_pods(ctx.cluster, name)

    watches = [Watch("v1", "ServiceAccount", name)]
    if reason := ctx.cluster.wait(watches, look, deadline=ctx.deadline, cancel=ctx.cancel):
        raise StageError(
            f"no pod can be made in Namespace {name}",
            where=f"stage {ctx.stage}",
            why=f"{reason}; Kubernetes' controller manager makes it",
            remedy="kubectl --namespace kube-system get pods   (whether kube-controller-manager runs)",
        )


def ensure(ctx: Context, name: str) -> None:
    """Make it, with our label, where there is none; one that is there is left as it is."""
    await_gone(ctx, name)
    if ctx.cluster.get("v1", "Namespace", name) is None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": owned({"name": name}, ctx.profile)}
        ctx.cluster.apply(body, manager=FIELD_MANAGER)


def removal(ctx: Context, name: str) -> Removal | None:
    """What a teardown would do with it now; None where it is gone or going, or was never ours. Reads only."""
    is_ours = owner_of(standing(ctx.cluster, name)) == ctx.profile
    return Removal(f"Namespace {name}", "removed") if is_ours else None


def remove(ctx: Context, name: str) -> list[Removal]:
    """Delete it, if it is ours and holds nothing of anybody else's, and wait until it is gone."""
    if (planned := removal(ctx, name)) is None:
        return []
    if others := _of_others(ctx, name):
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        return [Removal(planned.subject, "left", f"somebody else's {others[0]}{more} is in it")]
    ctx.cluster.delete("v1", "Namespace", name)
    await_gone(ctx, name)
    return [planned]


def _of_others(ctx: Context, name: str) -> list[str]:
    """What somebody put into it whom we don't know."""
    found = []
    for api_version, kind in ctx.cluster.namespaced_kinds():
        if kind not in _PASSING:
            try:
                objects = list_if_served(ctx, api_version, kind, name)
            except ApiError as error:  # not allowed, or an extension of the API that doesn't answer: it can't be known
                found.append(f"{kind} that can't be listed ({error.what})")
                continue
            found += [f"{kind} {obj['metadata']['name']}" for obj in objects if not _comes_by_itself(obj, ctx.profile)]
    return found


def _comes_by_itself(obj: dict[str, Any], profile: str) -> bool:
    meta, managers = obj["metadata"], managers_of(obj)
    comes_with_all = (obj["kind"], meta["name"]) in _IN_EVERY_ONE
    goes_anyway = is_terminating(obj) or bool(meta.get("ownerReferences"))
    return comes_with_all or goes_anyway or owner_of(obj) == profile or bool(managers and managers <= _CONTROLLERS)
