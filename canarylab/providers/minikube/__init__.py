"""A Kubernetes in a virtual machine, by minikube: what an Apple Silicon laptop gets without a choice.

minikube, helm, kubectl and the Argo plugin are the host's own; docs/minikube.md tells how it works.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from canarylab.contract.provider import Finding, Provider, RouterPlugin, TunnelStatus
from canarylab.errors import NotYetObservableError
from canarylab.images.image import Image

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec
    from canarylab.contract.stage import Stage
    from canarylab.images.image import Wanted
    from canarylab.kube.client import Cluster
    from canarylab.removal import Removal

_GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


class MinikubeProvider(Provider):
    """The default on macOS; elsewhere by `--provider minikube`. Each part is in a file of its own."""

    name: ClassVar[str] = "minikube"

    def __init__(self, spec: ClusterSpec) -> None:
        super().__init__(spec)
        self._client: Cluster | None = None

    @classmethod
    def fits(cls, system: str) -> bool:
        return system == "Darwin"

    def findings(self, ctx: Context) -> list[Finding]:
        from canarylab.providers.minikube import doctor

        return doctor.findings(ctx, self)

    @contextmanager
    def session(self, ctx: Context, command: str) -> Iterator[None]:
        from canarylab.providers.minikube import sudo

        with sudo.session(ctx, self, command):
            yield

    def stages(self) -> Sequence[Stage[Any, Any]]:
        from canarylab.providers.minikube.cluster import ClusterStage

        return (ClusterStage(self),)

    def cluster(self, ctx: Context) -> Cluster:
        from canarylab.kube.client import Cluster

        if self._client is None:
            if not ctx.paths.kubeconfig.exists():
                raise NotYetObservableError("there is no cluster yet", remedy=ctx.command("up"))
            self._client = Cluster(ctx.paths.kubeconfig, ctx.profile)
        return self._client

    def forget_client(self) -> None:
        """The cluster has another address or other keys since."""
        self._client = None

    def programs(self, ctx: Context) -> Path | None:  # noqa: ARG002 - the contract's
        return None

    # -- charts, images -----------------------------------------------------------------------------------------------

    def chart(self, ctx: Context, reference: str, version: str) -> Path:
        from canarylab.providers import published

        return published.chart(ctx, reference, version)

    def rollouts_manifest(self, ctx: Context, version: str) -> tuple[Path, str]:
        from canarylab.providers import published

        return published.rollouts_manifest(ctx, version)

    def gateway_api_manifest(self, ctx: Context, version: str) -> Path:
        from canarylab.providers import published

        return published.gateway_api_manifest(ctx, version)

    def router_plugin(self, ctx: Context, name: str, version: str) -> RouterPlugin:
        from canarylab.providers import published_plugins

        return published_plugins.router_plugin(ctx, name, version)

    def architectures(self, ctx: Context) -> tuple[str, ...]:
        """As the nodes say it; without a cluster the host's, since a virtual machine is never of another one."""
        try:
            nodes = self.cluster(ctx).list("v1", "Node")
        except NotYetObservableError:
            machine = platform.machine()
            return (_GO_NAMES.get(machine, machine),)
        return tuple(sorted({node["status"]["nodeInfo"]["architecture"] for node in nodes}))

    def images(self, ctx: Context) -> list[Image]:
        from canarylab.providers.minikube import images

        return images.images(ctx)

    def deliver_image(self, ctx: Context, wanted: Wanted) -> None:
        from canarylab.providers.minikube import images

        images.deliver(ctx, wanted, self.architectures(ctx)[0])

    def remove_image(self, ctx: Context, reference: str) -> Literal["removed", "absent"]:
        from canarylab.providers.minikube import images

        return images.remove(ctx, reference)

    # -- the way to Services ------------------------------------------------------------------------------------------

    def endpoint(self, ctx: Context, service: dict[str, Any], port: int) -> tuple[str, int] | None:
        from canarylab.providers.minikube import tunnel

        return tunnel.endpoint(ctx, self, service, port)

    def check_route(self, ctx: Context, address: str) -> None:
        from canarylab.providers.minikube import tunnel

        tunnel.check_route(ctx, self, address)

    def tunnel_start(self, ctx: Context) -> None:
        from canarylab.providers.minikube import tunnel

        tunnel.start(ctx, self)

    def tunnel_stop(self, ctx: Context) -> list[Removal]:
        from canarylab.providers.minikube import tunnel

        return tunnel.stop(ctx, self)

    def tunnel_status(self, ctx: Context) -> TunnelStatus:
        from canarylab.providers.minikube import tunnel

        return tunnel.status(ctx, self)

    # -- removal ------------------------------------------------------------------------------------------------------

    def leftovers(self, ctx: Context) -> list[Removal]:
        from canarylab.providers.minikube import teardown

        return teardown.leftovers(ctx, self)

    def purge(self, ctx: Context) -> list[Removal]:
        from canarylab.providers.minikube import teardown

        return teardown.purge(ctx)
