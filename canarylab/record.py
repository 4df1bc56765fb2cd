"""What was applied, written down in the cluster itself: there is no state file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import canarylab
from canarylab.kube.client import OWNER_LABEL

if TYPE_CHECKING:
    from canarylab.context import Context
    from canarylab.stages.base import Removal

NAME, NAMESPACE = "canarylab", "kube-system"


def record(ctx: Context) -> None:
    """Say which playbook, at which digest, was applied by which version; nothing is written while that is unchanged."""
    data = {
        "playbook": ctx.playbook.name,
        "digest": ctx.playbook.digest,
        "provider": ctx.provider.name,
        "version": canarylab.__version__,
    }
    if read(ctx) != data:
        labels = {OWNER_LABEL: ctx.profile}
        meta = {"name": _name(ctx), "namespace": NAMESPACE, "labels": labels}
        ctx.cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


def read(ctx: Context) -> dict[str, Any] | None:
    """What was applied last, None where nothing was."""
    found = ctx.cluster.get("v1", "ConfigMap", _name(ctx), NAMESPACE)
    return found.get("data") if found else None


def remove(ctx: Context) -> list[Removal]:
    """Take it out of a cluster that stays."""
    from canarylab.stages.base import Removal

    if not ctx.cluster.delete("v1", "ConfigMap", _name(ctx), NAMESPACE):
        return []
    return [Removal(f"ConfigMap {NAMESPACE}/{_name(ctx)}", "removed")]


def _name(ctx: Context) -> str:
    """A cluster that isn't this tool's own may carry several profiles."""
    return NAME if ctx.provider.owns_cluster else f"{NAME}-{ctx.profile}"
