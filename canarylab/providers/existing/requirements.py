"""What a cluster must be for a playbook to run on it: it answers, is new enough, lets us, and has a node for pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canarylab.errors import CanarylabError, StageError
from canarylab.kube.objects import condition, dig, listed

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster

OLDEST = (1, 22)
"""The first Kubernetes whose server-side apply is final, which everything here is applied by."""

_RIGHTS = (
    ("create", "", "namespaces"),
    ("create", "apiextensions.k8s.io", "customresourcedefinitions"),
    ("create", "rbac.authorization.k8s.io", "clusterroles"),
    ("create", "admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("create", "apps", "deployments"),
    ("create", "", "secrets"),
)
"""What Istio and Argo Rollouts can't be installed without: those who may do this may do the rest."""

_ARCHITECTURES = ("amd64", "arm64")
_KEEPS_OFF = ("NoSchedule", "NoExecute")


def require(ctx: Context) -> None:
    """Raise where a playbook can't be brought up on this cluster."""
    cluster = ctx.cluster
    if reason := trouble(cluster):
        raise StageError(reason, where=f"context {cluster.context}", remedy=ctx.command("doctor"))
    if lacking := missing_rights(cluster):
        raise StageError(
            f"this user may not {', '.join(lacking)}",
            where=f"context {cluster.context}",
            why="Istio and Argo Rollouts install definitions, roles and webhooks that apply to the whole cluster",
            remedy="use a context with the role cluster-admin, or have its owner install them: what fits is used",
        )
    architectures(cluster)


def trouble(cluster: Cluster) -> str | None:
    """None, or why nothing can run there now."""
    if not_ready := cluster.ready():
        return not_ready
    if cluster.version() < OLDEST:
        found, oldest = (".".join(map(str, version)) for version in (cluster.version(), OLDEST))
        return f"it is Kubernetes {found}, and {oldest} is the oldest with server-side apply"
    nodes = filter(_takes_pods, cluster.list("v1", "Node"))
    if not any(condition(node, "Ready").get("status") == "True" for node in nodes):
        return "no node is Ready and takes ordinary pods"
    return None


def missing_rights(cluster: Cluster) -> list[str]:
    """The rights that the user lacks, each as verb and plural, such as "create namespaces"."""
    return [f"{verb} {plural}" for verb, group, plural in _RIGHTS if not cluster.may(verb, group, plural)]


def _takes_pods(node: dict[str, Any]) -> bool:
    """Whether ordinary pods may land on a node: it is neither cordoned nor tainted."""
    effects = {taint.get("effect") for taint in listed(node, "spec", "taints")}
    return not dig(node, "spec", "unschedulable") and effects.isdisjoint(_KEEPS_OFF)


def architectures(cluster: Cluster) -> tuple[str, ...]:
    """Of all nodes that a pod may land on, sorted. Raises StageError for one that images can't be built for."""
    nodes = filter(_takes_pods, cluster.list("v1", "Node"))
    found = {node["status"]["nodeInfo"]["architecture"]: node["metadata"]["name"] for node in nodes}
    if strange := sorted(set(found) - set(_ARCHITECTURES)):
        raise StageError(
            f"node {found[strange[0]]} has architecture {strange[0]}; "
            f"images are built only for {' and '.join(_ARCHITECTURES)}",
            where=f"context {cluster.context}",
            why=f"the cluster's nodes are {', '.join(sorted(found))}, and a pod may land on any of them",
            remedy="cordon or taint those nodes, so that ordinary pods keep off them",
        )
    if not found:
        raise CanarylabError(
            "no node takes ordinary pods", where=f"context {cluster.context}", remedy="kubectl get nodes; uncordon one"
        )
    return tuple(sorted(found))
