"""Parts for what a provider doesn't have: each says clearly what isn't possible, and what to do instead."""

# ruff: noqa: ARG002 - the contract names the arguments

from __future__ import annotations

from pathlib import Path
from typing import Literal, NoReturn

from canarylab.contract.context import Context
from canarylab.contract.provider import Access, Images, RouterPlugin, Sources, TunnelStatus
from canarylab.errors import StageError
from canarylab.images.image import Image, Wanted
from canarylab.removal import Removal


class NoSources(Sources):
    """For a cluster on which nothing is installed that comes from elsewhere."""

    def chart(self, ctx: Context, reference: str, version: str) -> Path:
        _refuse(ctx, f"has no chart {reference} {version}", _USE_PUBLISHED)

    def rollouts_manifest(self, ctx: Context, version: str) -> tuple[Path, str]:
        _refuse(ctx, f"has no Argo Rollouts {version}", _USE_PUBLISHED)

    def gateway_api_manifest(self, ctx: Context, version: str) -> Path:
        _refuse(ctx, f"has no Gateway API {version}", _USE_PUBLISHED)

    def router_plugin(self, ctx: Context, name: str, version: str) -> RouterPlugin:
        _refuse(ctx, f"has no traffic-router plugin {name} {version}", _USE_PUBLISHED)


class NoImages(Images):
    """For a cluster that pulls all its images itself."""

    def ours(self, ctx: Context) -> list[Image]:
        return []

    def deliver(self, ctx: Context, wanted: Wanted) -> None:
        _refuse(ctx, f"takes no image from this machine: {wanted.image}", "use an image that its nodes can pull")

    def remove(self, ctx: Context, reference: str) -> Literal["absent"]:
        return "absent"


class NoTunnel(Access):
    """For a cluster whose LoadBalancer Services get their addresses without help of this tool."""

    def check_route(self, ctx: Context, address: str) -> None:
        """Where an address leads isn't known, so nothing is sent to any."""
        _refuse(ctx, f"doesn't know whether {address} is this cluster's", "use --provider existing")

    def tunnel_start(self, ctx: Context) -> None:
        _refuse(ctx, "has no tunnel", f"`{ctx.command('tunnel status')}` shows the addresses that the cluster gives")

    def tunnel_stop(self, ctx: Context) -> list[Removal]:
        return []

    def tunnel_status(self, ctx: Context) -> TunnelStatus:
        return TunnelStatus(running=False, pid=None, route="none", addresses={})


_USE_PUBLISHED = "have it use PublishedSources, or use --provider existing"


def _refuse(ctx: Context, what: str, remedy: str) -> NoReturn:
    raise StageError(f"provider {ctx.provider.name} {what}", remedy=remedy)
