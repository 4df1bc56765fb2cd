"""Addresses of LoadBalancer Services: what makes one is healthy once it answers somewhere.

A tunnel and the Services that it serves come up side by side; whichever comes last waits for the address.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from canarylab.kube.objects import load_balancer_address

if TYPE_CHECKING:
    from canarylab.context import Context

_PENDING = "pending"


def awaited(ctx: Context, objects: Iterable[dict[str, Any]]) -> str | None:
    """Why the first Service among them that has no address yet has none; None where no tunnel would give it one.

    A playbook without a tunnel has no use for the address, and one that isn't running yet waits itself, once it is.
    """
    if not any(stage.kind == "tunnel" for stage in ctx.playbook.stages):
        return None
    for name in _without_address(ctx, objects):
        status = ctx.provider.tunnel_status(ctx)
        if status.running and status.addresses.get(name) == _PENDING:
            return next((problem for problem in status.problems if name in problem), f"no address yet for {name}")
    return None


def _without_address(ctx: Context, objects: Iterable[dict[str, Any]]) -> Iterable[str]:
    for obj in objects:
        if (obj["apiVersion"], obj["kind"]) != ("v1", "Service") or obj["spec"].get("type") != "LoadBalancer":
            continue
        name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace")
        live = ctx.cluster.get("v1", "Service", name, namespace)
        if live and not load_balancer_address(live):
            yield f"{namespace}/{name}"
