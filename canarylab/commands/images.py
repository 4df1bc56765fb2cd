"""`invoke images`: what the cluster has of our own images, and building them for one architecture or another."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from canarylab.commands.run import Options, run
from canarylab.contract.context import Context
from canarylab.errors import EXIT_DONE, UsageError
from canarylab.events import Notice
from canarylab.images import build as building
from canarylab.images.image import Image
from canarylab.images.oci import read_archive
from canarylab.lock import locked
from canarylab.stages.kinds.image import ImageStage

_ARCHITECTURES = ("amd64", "arm64")


def images(options: Options, *, build: bool, platform: str | None) -> int:
    """List, or build; a platform such as linux/arm64 means build. Building hands nothing to the cluster: `up` does."""

    def work(ctx: Context) -> int:
        if not build and platform is None:
            _show(ctx.provider.images.ours(ctx), options.output)
            return EXIT_DONE
        with locked(ctx.paths.lock, "images build"):
            architectures = _architectures(ctx, platform)
            built = [_build(ctx, stage, each) for stage in _stages(ctx) for each in architectures]
        _show(built, options.output)
        return EXIT_DONE

    return run(options, work)


def _stages(ctx: Context) -> list[ImageStage]:
    found = [stage for stage in ctx.playbook.stages if isinstance(stage, ImageStage)]
    if not found:
        raise UsageError(f"playbook {ctx.playbook.name} builds no image", remedy="add a stage of kind image")
    return found


def _architectures(ctx: Context, platform: str | None) -> tuple[str, ...]:
    if platform is None:
        return ctx.provider.images.architectures(ctx)
    architecture = platform.removeprefix("linux/")
    if architecture not in _ARCHITECTURES:
        known = " or ".join(f"linux/{name}" for name in _ARCHITECTURES)
        raise UsageError(f"images can't be built for {platform!r}", remedy=f"use --platform {known}")
    return (architecture,)


def _build(ctx: Context, stage: ImageStage, architecture: str) -> Image:
    stage_ctx = ctx.for_stage(stage.name, ctx.deadline)
    wanted = stage.wanted(ctx)
    archive = building.build(stage_ctx, wanted, architecture)
    ctx.emit(Notice(f"{wanted.image} for {architecture}: {archive}"))
    return read_archive(archive, wanted.image)


def _show(found: Sequence[Image], output: str) -> None:
    if output == "json":
        print(json.dumps([dataclasses.asdict(image) for image in found]))
        return
    for image in found:
        print(f"{image.reference}  {image.architecture}  (its program: {image.program_architecture or 'none found'})")
    if not found:
        print("the cluster has no image that was built here")
