"""A provider whose cluster, images and tunnel are kept in memory. It is all four of its parts itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from support.fake_cluster import FakeCluster

from canarylab.contract.context import Context
from canarylab.contract.playbook import ClusterSpec
from canarylab.contract.provider import (
    Access,
    Finding,
    Images,
    Infrastructure,
    Provider,
    RouterPlugin,
    Sources,
    TunnelStatus,
)
from canarylab.contract.stage import Stage
from canarylab.errors import NotYetObservableError
from canarylab.images.build import build
from canarylab.images.image import Image, Wanted
from canarylab.images.oci import read_archive
from canarylab.removal import Removal


class FakeProvider(Provider, Infrastructure, Sources, Images, Access):
    """Without a cluster, `cluster` raises as a real one's does before it is up. Tests set what they need."""

    name: ClassVar[str] = "fake"

    def __init__(self, cluster: FakeCluster | None = None) -> None:
        super().__init__(ClusterSpec(profile="unit-test"))
        self.there = cluster
        self.held: dict[str, Image] = {}
        self.loaded: list[tuple[Path, str]] = []
        self.forgetful = False
        """Whether images that are handed over get lost."""
        self.node_architecture = "amd64"
        self.tunnel = TunnelStatus(False, None, "10.0.0.0/24 -> 10.0.1.2", {})
        self.charts: dict[str, Path] = {}
        self.manifest = Path("/nowhere.json")
        self.definitions = Path("/nowhere.json")
        self.plugin = RouterPlugin("https://plugins.example/plugin", "0" * 64)
        self.below: Sequence[Stage[Any, Any]] = ()

    @property
    def infrastructure(self) -> FakeProvider:
        return self

    sources = images = access = infrastructure  # type: ignore[assignment]

    def findings(self, ctx: Context) -> list[Finding]:  # noqa: ARG002
        return []

    def stages(self) -> Sequence[Stage[Any, Any]]:
        return self.below

    def cluster(self, ctx: Context) -> FakeCluster:  # type: ignore[override]  # noqa: ARG002
        if self.there is None:
            raise NotYetObservableError("there is no cluster yet")
        return self.there

    def chart(self, ctx: Context, reference: str, version: str) -> Path:  # noqa: ARG002
        return self.charts[f"{reference} {version}"]

    def rollouts_manifest(self, ctx: Context, version: str) -> tuple[Path, str]:  # noqa: ARG002
        return self.manifest, f"localhost/argoproj/argo-rollouts:v{version}"

    def gateway_api_manifest(self, ctx: Context, version: str) -> Path:  # noqa: ARG002
        return self.definitions

    def router_plugin(self, ctx: Context, name: str, version: str) -> RouterPlugin:  # noqa: ARG002
        return self.plugin

    def check_route(self, ctx: Context, address: str) -> None:
        pass

    def ours(self, ctx: Context) -> list[Image]:  # noqa: ARG002
        return list(self.held.values())

    def deliver(self, ctx: Context, wanted: Wanted) -> None:
        archive = build(ctx, wanted, self.node_architecture)
        self.loaded.append((archive, wanted.image))
        if not self.forgetful:
            self.held[wanted.image] = read_archive(archive, wanted.image)

    def remove(self, ctx: Context, reference: str) -> Literal["removed", "absent"]:  # noqa: ARG002
        return "removed" if self.held.pop(reference, None) else "absent"

    def architectures(self, ctx: Context) -> tuple[str, ...]:  # noqa: ARG002
        return (self.node_architecture,)

    def tunnel_start(self, ctx: Context) -> None:  # noqa: ARG002
        self.tunnel = TunnelStatus(True, 4711, self.tunnel.route, self.tunnel.addresses)

    def tunnel_stop(self, ctx: Context) -> list[Removal]:  # noqa: ARG002
        was_running = self.tunnel.running
        self.tunnel = TunnelStatus(False, None, self.tunnel.route, {})
        return [Removal("tunnel process", "removed")] if was_running else []

    def tunnel_status(self, ctx: Context) -> TunnelStatus:  # noqa: ARG002
        return self.tunnel

    def programs(self, ctx: Context) -> Path | None:  # noqa: ARG002
        return Path("/programs")

    def leftovers(self, ctx: Context) -> list[Removal]:  # noqa: ARG002 - it has no folder
        return []
