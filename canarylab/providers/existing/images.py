"""Images go to the cluster through the playbook's registry, which its nodes pull from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from canarylab.contract.provider import Images
from canarylab.errors import UsageError
from canarylab.images.image import SOURCE_LABEL, Image, Wanted
from canarylab.ownership.foreign import ClashError
from canarylab.providers.existing import pushing, requirements
from canarylab.providers.existing.registry import LOCAL, Address, Registry
from canarylab.removal import Removal

if TYPE_CHECKING:
    from canarylab.contract.context import Context


class RegistryImages(Images):
    """`registry` is HOST/PATH, or None where the playbook names none."""

    def __init__(self, registry: str | None) -> None:
        self._address = registry
        self._registry: Registry | None = None

    def registry(self, ctx: Context) -> Registry:
        """The playbook's. Raises UsageError where it names none."""
        if not self._address:
            raise UsageError(
                "the playbook names no registry for the images that are built here",
                why="a cluster that isn't ours gets its images by name, from a registry that its nodes can reach",
                remedy="under `cluster`, add `registry: HOST/PATH`, and `skopeo login HOST` if it asks who you are",
            )
        if self._registry is None:
            self._registry = Registry(Address.parse(self._address), ctx.runner)
        return self._registry

    def reference(self, reference: str) -> str:
        if not reference.startswith(LOCAL) or not self._address:
            return reference
        return Address.parse(self._address).reference(reference)

    def architectures(self, ctx: Context) -> tuple[str, ...]:
        return requirements.architectures(ctx.cluster)

    def ours(self, ctx: Context) -> list[Image]:
        """Those of the playbook's that its registry has.

        Raises UsageError where there are some and no registry, ClashError where it has another's by such a name.
        """
        wanted = (stage.options.image for stage in ctx.playbook.stages if stage.kind == "image")
        references = dict.fromkeys(map(self.reference, wanted))
        return [image for reference in references for image in self.registry(ctx).images(reference, SOURCE_LABEL)]

    def deliver(self, ctx: Context, wanted: Wanted) -> None:
        pushing.push(ctx, self.registry(ctx), wanted, self.architectures(ctx))

    def remove(self, ctx: Context, reference: str) -> Literal["removed", "absent"] | Removal:
        try:
            if not self._address or not self.registry(ctx).images(reference, SOURCE_LABEL):
                return "absent"
        except ClashError as error:
            return Removal(f"image {reference}", "left", error.why or error.what)
        refused = self.registry(ctx).delete(reference)
        return Removal(f"image {reference}", "left", refused) if refused else "removed"
