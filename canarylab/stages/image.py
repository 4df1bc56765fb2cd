"""Kind `image`: builds an image from this repository for the cluster's architecture, reads it, and hands it over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from canarylab.errors import StageError
from canarylab.images import SOURCE_LABEL, Build, build, source_digest
from canarylab.oci import read_archive, verify_architecture
from canarylab.providers.base import Image
from canarylab.stages.base import Change, Removal, Stage, StageOptions

if TYPE_CHECKING:
    from canarylab.context import Context


class ImageOptions(StageOptions):
    path: str = Field(description="folder with the sources and their Containerfile")
    image: str = Field(description="reference of the image, such as localhost/argoproj/rollouts-demo:blue")
    build_args: dict[str, str] = Field({}, alias="build-args", description="build arguments of the Containerfile")


@dataclass(frozen=True)
class ImageState:
    """The image that the cluster has, and what is wanted of it."""

    image: Image | None
    architecture: str
    digest: str


class ImageStage(Stage[ImageOptions, ImageState]):
    kind: ClassVar[str] = "image"
    Options: ClassVar[type[StageOptions]] = ImageOptions

    def check(self, base: Path) -> None:
        if not (base / self.options.path / "Containerfile").exists():
            raise StageError(
                f"there is no Containerfile in {base / self.options.path}",
                where=f"stage {self.name}, path",
                remedy="mend the playbook's path",
            )

    def observe(self, ctx: Context) -> ImageState:
        found = next((image for image in ctx.provider.images(ctx) if image.reference == self.options.image), None)
        digest = source_digest(ctx.playbook.base / self.options.path, self.options.build_args)
        return ImageState(found, ctx.provider.architecture(ctx), digest)

    def changes(self, observed: ImageState) -> list[Change]:
        image, name = observed.image, self.options.image
        if image is None:
            return [Change("build", name, "the cluster doesn't have it")]
        architectures = {image.architecture, image.program_architecture or image.architecture}
        if architectures != {observed.architecture}:
            seen = "/".join(sorted(architectures))
            return [Change("build", name, f"it is of architecture {seen}, the cluster of {observed.architecture}")]
        if image.labels.get(SOURCE_LABEL) != observed.digest:
            return [Change("build", name, "its sources or build arguments have changed")]
        return []

    def apply(self, ctx: Context, changes: Sequence[Change]) -> None:  # noqa: ARG002 - there is one thing to do
        architecture = ctx.provider.architecture(ctx)
        wanted = Build(ctx.playbook.base / self.options.path, self.options.image, self.options.build_args, architecture)
        archive = build(ctx, wanted)
        ctx.progress("reading the built image")
        verify_architecture(read_archive(archive, self.options.image), architecture)
        ctx.progress("handing it to the cluster")
        ctx.provider.load_image(ctx, archive, self.options.image)

    def health(self, ctx: Context) -> str | None:
        image = self.observe(ctx).image
        return None if image else f"the cluster has no image {self.options.image}"

    def remove(self, ctx: Context) -> list[Removal]:
        if ctx.provider.remove_image(ctx, self.options.image) == "absent":
            return []
        return [Removal(f"image {self.options.image}", "removed")]

    def facts(self, ctx: Context) -> dict[str, Any]:
        image = self.observe(ctx).image
        return {"image": self.options.image, "architecture": image.architecture} if image else {}
