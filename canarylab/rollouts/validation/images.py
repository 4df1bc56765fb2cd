"""Images that aren't available: found before a pod needs one, where the name says that no registry has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError, NotYetObservableError
from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.validation.mistake import Mistake
from canarylab.yamlfile.problems import Place, choose

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_LOCAL = "localhost/"
"""What images are called that are built here and handed to the nodes; nothing can be pulled under such a name."""

_MOST_LISTED = 50
"""A kubelet lists so many images and no more (nodeStatusMaxImages)."""

_POD = ("spec", "template", "spec")


@dataclass(frozen=True)
class AbsentImage:
    """An image that the cluster neither has nor can pull."""

    what: str
    why: str
    remedy: str


def absent(ctx: Context, image: str) -> AbsentImage | None:
    """None where the cluster has the image, or may be able to get it, or doesn't say."""
    if not image.startswith(_LOCAL):
        return None
    known = _on_nodes(ctx)
    if known is not None and image not in known:
        known |= _handed_over(ctx)
    if known is None or image in known:
        return None
    built = _built(ctx)
    alike = [name for name in known if _repository(name) == _repository(image)]
    remedy = (
        f"`{ctx.command(f'up --only {built[image]}')}` builds it and hands it over"
        if image in built
        else f"{choose(image, alike or built)}; or add a stage of kind image for it, then `{ctx.command('up')}`"
    )
    return AbsentImage(
        f"the cluster has no image {image}",
        "no registry has a name that begins with localhost/, so it can't be pulled: its pods would never start "
        "(ErrImagePull, ErrImageNeverPull)",
        remedy,
    )


def refuse_absent(ctx: Context, documents: Iterable[tuple[Path, Object]]) -> None:
    """Raise StageError, with file and line, for the first image of a pod template that no stage builds nor node has."""
    built = _built(ctx)
    for file, obj in documents:
        for place, written in _images(obj):
            image = ctx.provider.images.reference(written)
            if image in built:
                continue
            found = _not_built(ctx, image, built) if _no_cluster(ctx) else absent(ctx, image)
            if found is not None:
                raise Mistake(place, found.what, found.why, found.remedy).error(file, obj)


def _images(obj: Object) -> Iterator[tuple[Place, str]]:
    """The images of its pod template."""
    for key in ("initContainers", "containers"):
        for index, container in enumerate(listed(obj, *_POD, key)):
            if isinstance(image := dig(container, "image"), str):
                yield (*_POD, key, index, "image"), image


def _built(ctx: Context) -> dict[str, str]:
    """Image to stage, of the stages of the playbook that build one."""
    stages = [stage for stage in ctx.playbook.stages if stage.kind == "image"]
    return {ctx.provider.images.reference(stage.options.image): stage.name for stage in stages}


def _no_cluster(ctx: Context) -> bool:
    try:
        return ctx.cluster is None
    except NotYetObservableError:
        return True


def _not_built(ctx: Context, image: str, built: dict[str, str]) -> AbsentImage | None:
    """Without a cluster to ask: one of a name that the playbook builds, and it doesn't build this tag of it."""
    if not any(_repository(image) == _repository(name) for name in built):
        return None
    return AbsentImage(
        f"no stage builds image {image}",
        "no registry has a name that begins with localhost/, so it can't be pulled either",
        f"{choose(image, built)}; or add a stage of kind image, then `{ctx.command('up')}`",
    )


def _on_nodes(ctx: Context) -> set[str] | None:
    """Every name of every image, as the nodes list them; None where they can't list all."""
    try:
        nodes = ctx.cluster.list("v1", "Node")
    except CanarylabError:
        return None
    if not nodes or any(len(listed(node, "status", "images")) >= _MOST_LISTED for node in nodes):
        return None
    images = [image for node in nodes for image in listed(node, "status", "images")]
    return {name for image in images for name in listed(image, "names")}


def _handed_over(ctx: Context) -> set[str]:
    """Our own, as the provider finds them: a node lists a new one only after some seconds."""
    return {image.reference for image in ctx.provider.images.ours(ctx)}


def _repository(image: str) -> str:
    """The name without its tag and digest."""
    name = image.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
