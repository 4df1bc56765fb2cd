"""Any conformant cluster that is there already: kind, k3d, a cloud's. It is used by a context that the user names.

Nothing of the cluster is made or deleted but what a playbook puts on it, and that carries our label.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from canarylab.contract.ownership import Ownership
from canarylab.contract.provider import Provider
from canarylab.ownership.policy import GuestCluster

if TYPE_CHECKING:
    from canarylab.contract.provider import Access, Images, Infrastructure, Sources


class ExistingProvider(Provider):
    """The profile's name is the value of our label and the name of the state folder; the cluster keeps its own."""

    name: ClassVar[str] = "existing"
    ownership: ClassVar[Ownership] = GuestCluster()

    @cached_property
    def infrastructure(self) -> Infrastructure:
        from canarylab.providers.existing.infrastructure import GuardedInfrastructure

        return GuardedInfrastructure(self.spec)

    @cached_property
    def sources(self) -> Sources:
        from canarylab.providers.existing.sources import PublishedWithPrograms

        return PublishedWithPrograms()

    @cached_property
    def images(self) -> Images:
        from canarylab.providers.existing.registry_images import RegistryImages

        return RegistryImages(self.spec.registry)

    @cached_property
    def access(self) -> Access:
        from canarylab.providers.existing.access import ContextAccess

        return ContextAccess(self.spec.context)
