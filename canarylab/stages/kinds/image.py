"""Kind `image`: builds an image from this repository for the cluster's architecture, reads it, and hands it over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.stage import Change, Stage, StageOptions
from canarylab.images.image import SOURCE_LABEL, Image, Wanted
from canarylab.paths import normal
from canarylab.removal import Removal


class ImageOptions(StageOptions):
    """What to build, and what to call it."""

    path: str = Field(description="folder with the sources and their Containerfile")
    image: str = Field(description="reference of the image, such as localhost/argoproj/rollouts-demo:blue")
    build_args: dict[str, str] = Field({}, alias="build-args", description="build arguments of the Containerfile")


@dataclass(frozen=True)
class ImageState:
    """What the cluster has of the image, one for each architecture, and what is wanted of it."""

    images: tuple[Image, ...]
    architectures: tuple[str, ...]
    wanted: Wanted


class ImageStage(Stage[ImageOptions, ImageState]):
    """Built anew when its sources, its build arguments or the cluster's architectures change."""

    kind: ClassVar[str] = "image"
    Options: ClassVar[type[StageOptions]] = ImageOptions

    def check(self) -> None:
        folder = normal(self.base / self.options.path)
        if not (folder / "Containerfile").exists():
            raise self.problem("path", f"there is no Containerfile in {folder}", "fix the playbook's path")

    def wanted(self, ctx: Context) -> Wanted:
        """What is to be built, under the name that it has in the cluster."""
        reference = ctx.provider.images.reference(self.options.image)
        return Wanted(self.base / self.options.path, reference, self.options.build_args)

    def observe(self, ctx: Context) -> ImageState:
        wanted = self.wanted(ctx)
        found = tuple(ctx.provider.images.named(ctx, wanted.image))
        return ImageState(found, ctx.provider.images.architectures(ctx), wanted)

    def changes(self, observed: ImageState) -> list[Change]:
        name = observed.wanted.image
        if not observed.images:
            return [Change("build", name, "the cluster doesn't have it")]
        found = {image.architecture for image in observed.images}
        found |= {image.program_architecture or image.architecture for image in observed.images}
        if found != set(observed.architectures):
            seen, wanted = "/".join(sorted(found)), "/".join(observed.architectures)
            return [Change("build", name, f"its architecture is {seen}, the cluster's is {wanted}")]
        if any(image.labels.get(SOURCE_LABEL) != observed.wanted.digest for image in observed.images):
            return [Change("build", name, "its sources or build arguments have changed")]
        return []

    def is_absent(self, observed: ImageState) -> bool:
        return not observed.images

    def apply(self, ctx: Context, observed: ImageState) -> None:
        ctx.provider.images.deliver(ctx, observed.wanted)

    def health(self, ctx: Context) -> str | None:  # noqa: ARG002
        return None  # nothing to wait for: what was handed over is there or isn't, and `observe` says so

    def remove(self, ctx: Context) -> list[Removal]:
        reference = ctx.provider.images.reference(self.options.image)
        outcome = ctx.provider.images.remove(ctx, reference)
        if isinstance(outcome, Removal):
            return [outcome]
        return [Removal(f"image {reference}", "removed")] if outcome == "removed" else []

    def removals(self, ctx: Context) -> list[Removal]:
        reference = ctx.provider.images.reference(self.options.image)
        found = ctx.provider.images.named(ctx, reference)
        return [Removal(f"image {reference}", "removed")] if found else []

    def facts(self, ctx: Context) -> dict[str, Any]:
        found = self.observe(ctx).images
        architectures = ", ".join(image.architecture for image in found)
        return {"image": found[0].reference, "architecture": architectures} if found else {}
