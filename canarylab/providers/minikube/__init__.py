"""A Kubernetes in a virtual machine, by minikube: what a Mac gets unless its user chooses otherwise.

minikube, helm, kubectl and the Argo plugin are the host's own; docs/minikube.md explains how it works.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from canarylab.contract.provider import Provider

if TYPE_CHECKING:
    from canarylab.contract.provider import Access, Images, Infrastructure, Sources


class MinikubeProvider(Provider):
    """The default on macOS; elsewhere by `--provider minikube`. Each part is in a file of its own."""

    name: ClassVar[str] = "minikube"

    @classmethod
    def fits(cls, system: str) -> bool:
        return system == "Darwin"

    @cached_property
    def infrastructure(self) -> Infrastructure:
        from canarylab.providers.minikube.infrastructure import VirtualMachine

        return VirtualMachine(self.spec)

    @cached_property
    def sources(self) -> Sources:
        from canarylab.providers.sources.published import PublishedSources

        return PublishedSources()

    @cached_property
    def images(self) -> Images:
        from canarylab.providers.minikube.node_images import NodeImages

        return NodeImages()

    @cached_property
    def access(self) -> Access:
        from canarylab.providers.minikube.tunnel import TunnelAccess

        return TunnelAccess()
