"""Kind `tunnel`: the way from this machine to LoadBalancer Services, without a second terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from canarylab.contract.context import Context
from canarylab.contract.provider import TunnelStatus
from canarylab.contract.stage import Change, Stage, StageOptions
from canarylab.kube.watch import Watch
from canarylab.removal import Removal
from canarylab.stages import addresses


class TunnelStage(Stage[StageOptions, TunnelStatus]):
    """Healthy once the tunnel runs and every LoadBalancer Service has an address."""

    kind: ClassVar[str] = "tunnel"
    Options: ClassVar[type[StageOptions]] = StageOptions
    in_cluster: ClassVar[bool] = False

    def observe(self, ctx: Context) -> TunnelStatus:
        return ctx.provider.access.tunnel_status(ctx)

    def changes(self, observed: TunnelStatus) -> list[Change]:
        return [] if observed.running else [Change("start", "tunnel", "it isn't running")]

    def apply(self, ctx: Context, observed: TunnelStatus) -> None:  # noqa: ARG002 - there is one thing to do
        ctx.provider.access.tunnel_start(ctx)

    def health(self, ctx: Context) -> str | None:
        status = ctx.provider.access.tunnel_status(ctx)
        addresses.raise_if_permanent(ctx, status)
        if status.problems:
            return status.problems[0]
        if not status.running:
            return "the tunnel isn't running"
        pending = [service for service, address in status.addresses.items() if address == "pending"]
        return f"no address yet for {', '.join(pending)}" if pending else None

    def watches(self) -> Sequence[Watch]:
        return (Watch("v1", "Service"),)

    def remove(self, ctx: Context) -> list[Removal]:
        return ctx.provider.access.tunnel_stop(ctx)

    def removals(self, ctx: Context) -> list[Removal]:
        return [Removal("tunnel process", "removed")] if ctx.provider.access.tunnel_status(ctx).pid else []

    def facts(self, ctx: Context) -> dict[str, Any]:
        status = ctx.provider.access.tunnel_status(ctx)
        process = {"pid": status.pid} if status.pid else {}
        return {**process, "route": status.route, **status.addresses}
