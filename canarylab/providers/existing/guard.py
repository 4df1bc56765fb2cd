"""Asks before it acts where others work: on a cluster that looks like production, and in namespaces with their pods."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from canarylab.errors import CancelledError, UsageError
from canarylab.kube.objects import OWNER_LABEL, labels_of, owner_of
from canarylab.terminal import confirmed

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster

MANY_NODES = 5
"""A cluster for trying things out has fewer: kind and k3d make one node by default, a three-node control plane with two
workers is the largest that people make on one machine."""
MANY_NAMESPACES = 10
"""Of other people. A new cluster has none, its operator's tools (ingress, monitoring, certificates) make a handful."""
MANY_PODS = 50
"""Of other people, outside kube-system: more than a handful of tools run."""

_INJECTION = ("istio-injection", "istio.io/rev")
_SHOWN = 3


def require_consent(ctx: Context, command: str, ask: Callable[[str], bool] | None = None) -> None:
    """Raise unless there is nothing to ask, `--yes` was said, or the user says so now. Reads only."""
    if ctx.consent.yes:
        return
    signs = production_signs(ctx.cluster, ctx.profile)
    reasons = [f"context {ctx.cluster.context} looks like production: {', '.join(signs)}"] if signs else []
    if command == "up":
        reasons += namespaces_to_inject(ctx)
    if not reasons:
        return
    question = ask or (confirmed if sys.stdin.isatty() and sys.stderr.isatty() else None)
    if question is None:
        raise UsageError(
            f"`{command}` asks before it goes on, and there is no terminal to ask on",
            why="; ".join(reasons),
            remedy="add --yes if that is what you want; "
            f"`{ctx.command('plan')}` shows what would be changed, without asking",
        )
    if not question("\n".join([*reasons, f"{command} all the same?"])):
        raise CancelledError("nothing was changed")


def production_signs(cluster: Cluster, profile: str) -> list[str]:
    """In words, what of a cluster says that others rely on it; the cheapest question first, as a large one is slow."""
    if (nodes := len(cluster.list("v1", "Node"))) > MANY_NODES:
        return [f"{nodes} nodes"]
    others = {name for name in map(_name, cluster.list("v1", "Namespace")) if not name.startswith("kube-")}
    others -= {"default", *map(_name, cluster.list("v1", "Namespace", labels={OWNER_LABEL: profile}))}
    if len(others) > MANY_NAMESPACES:
        return [f"{len(others)} namespaces of others"]
    pods = [pod for pod in cluster.list("v1", "Pod") if pod["metadata"].get("namespace") in others]
    return [f"{len(pods)} pods of others"] if len(pods) > MANY_PODS else []


def namespaces_to_inject(ctx: Context) -> list[str]:
    """For each namespace that would begin to inject sidecars, whose pods it would inject at their next start."""
    found = []
    for options in (stage.options for stage in ctx.playbook.stages if stage.kind == "namespace"):
        name, labels = options.namespace, {key: options.labels[key] for key in options.labels if key in _INJECTION}
        live = ctx.cluster.get("v1", "Namespace", name) if labels else None
        if live is None or labels.items() <= labels_of(live).items():
            continue
        strangers = [_name(pod) for pod in ctx.cluster.list("v1", "Pod", name) if not _is_ours(ctx, pod)]
        if strangers:
            added = ", ".join(f"{key}={value}" for key, value in labels.items())
            found.append(f"namespace {name} would get {added}, and others' pods are in it: {_some(strangers)}")
    return found


def _is_ours(ctx: Context, obj: dict[str, Any]) -> bool:
    """Whether it, or what it was made by, carries our label."""
    meta = obj["metadata"]
    if owner_of(obj) == ctx.profile:
        return True
    owner = next((owner for owner in meta.get("ownerReferences") or [] if owner.get("controller")), None)
    above = ctx.cluster.get(owner["apiVersion"], owner["kind"], owner["name"], meta.get("namespace")) if owner else None
    return above is not None and _is_ours(ctx, above)


def _name(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["name"])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
