"""Addresses of LoadBalancer Services: what makes one is healthy once it answers somewhere.

A tunnel and the Services that it serves come up side by side; whichever comes last waits for the address.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from canarylab.errors import StageError
from canarylab.kube.objects import load_balancer_address
from canarylab.kube.workloads import GATEWAY_NAME

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.provider import TunnelStatus

_PENDING = "pending"


def why_no_address(ctx: Context, objects: Iterable[dict[str, Any]]) -> str | None:
    """Why the first Service among them that has no address yet has none; None where no tunnel would give it one.

    A playbook without a tunnel has no use for the address, and one that isn't running yet waits itself, once it is.
    """
    if not any(stage.kind == "tunnel" for stage in ctx.playbook.stages):
        return None
    for service in (service for obj in objects for service in _services(ctx, obj)):
        name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
        if service["spec"].get("type") != "LoadBalancer" or load_balancer_address(service):
            continue
        status = ctx.provider.access.tunnel_status(ctx)
        if status.running and status.addresses.get(name) == _PENDING:
            raise_if_permanent(ctx, status)
            return next((problem for problem in status.problems if name in problem), f"no address yet for {name}")
    return None


def raise_if_permanent(ctx: Context, status: TunnelStatus) -> None:
    """Raise StageError for a problem that stays until somebody acts: there is no use in waiting for it to go."""
    if status.permanent:
        what, _, remedy = status.problems[0].partition("; next: ")
        raise StageError(what, where=f"stage {ctx.stage}", remedy=f"{remedy}; then `{ctx.command('up')}`")


def _services(ctx: Context, obj: dict[str, Any]) -> list[dict[str, Any]]:
    """The Service that the object is, or those that are made for the Gateway that it is, as they are there."""
    kind, name, namespace = (obj["apiVersion"], obj["kind"]), obj["metadata"]["name"], obj["metadata"].get("namespace")
    if kind == ("gateway.networking.k8s.io/v1", "Gateway"):
        return ctx.cluster.list("v1", "Service", namespace, {GATEWAY_NAME: name})
    live = ctx.cluster.get("v1", "Service", name, namespace) if kind == ("v1", "Service") else None
    return [live] if live else []
