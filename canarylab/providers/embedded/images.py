"""Images are handed to the machine's containerd as archives: there is no registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from canarylab import pins
from canarylab.contract.provider import Images
from canarylab.images.build import build
from canarylab.providers.embedded import store

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.images.image import Image, Wanted
    from canarylab.providers.embedded import EmbeddedProvider


class MachineImages(Images):
    """They need the machine alone, and can be there before the cluster is."""

    needs = ("machine",)

    def __init__(self, provider: EmbeddedProvider) -> None:
        self._provider = provider

    def ours(self, ctx: Context) -> list[Image]:
        machine = self._provider.machine(ctx)
        return store.images(machine) if machine.is_up() else []

    def deliver(self, ctx: Context, wanted: Wanted) -> None:
        archive = build(ctx, wanted, pins.architecture())
        ctx.progress("handing it to the cluster")
        store.load(self._provider.machine(ctx), archive)

    def remove(self, ctx: Context, reference: str) -> Literal["removed", "absent"]:
        return store.remove(self._provider.machine(ctx), reference)

    def architectures(self, ctx: Context) -> tuple[str, ...]:  # noqa: ARG002 - the host's
        return (pins.architecture(),)
