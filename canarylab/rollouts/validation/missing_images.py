"""Images that aren't available: found before a pod needs one, where the name says that no registry has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError
from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.validation.known_objects import cluster_if_any
from canarylab.rollouts.validation.mistake import Mistake, mistake
from canarylab.yamlfile.problems import Place, did_you_mean

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_LOCAL = "localhost/"
"""What images are called that are built here and handed to the nodes; nothing can be pulled under such a name."""

_MOST_LISTED = 50
"""A kubelet lists so many images and no more (nodeStatusMaxImages)."""

_POD = ("spec", "template", "spec")


def mistake_if_missing(ctx: Context, image: str, place: Place = ()) -> Mistake | None:
    """That the cluster neither has the image nor can pull it; None where it can, or may, or doesn't say."""
    known = _on_nodes(ctx) if image.startswith(_LOCAL) else None
    if known is None or image in known:
        return None
    if ctx.provider.images.named(ctx, image):  # a node lists a new one after some seconds
        return None
    built = _built(ctx)
    if image in built:
        remedy = f"`{ctx.command(f'up --only {built[image]}')}` builds it and hands it over"
    else:
        meant = did_you_mean(image, _alike(image, known.union(built)) or built)
        remedy = f"{meant}; or add a stage of kind image for it, then `{ctx.command('up')}`"
    return mistake("no-image", place, image=image, remedy=remedy)


def refuse_missing(ctx: Context, documents: Iterable[tuple[Path, Object]]) -> None:
    """Raise StageError, with file and line, for the first image of a pod template that no stage builds nor node has."""
    built = _built(ctx)
    for file, obj in documents:
        for place, written in _images(obj):
            image = ctx.provider.images.reference(written)
            if image in built:
                continue
            if cluster_if_any(ctx):
                found = mistake_if_missing(ctx, image, place)
            elif _alike(image, built):  # the playbook builds one of that name, and doesn't build this tag of it
                up, meant = ctx.command("up"), did_you_mean(image, built)
                found = mistake("no-image-built", place, image=image, meant=meant, up=up)
            else:
                found = None
            if found:
                raise found.error(file, obj)


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


def _alike(image: str, known: Iterable[str]) -> list[str]:
    """Those of the same repository, whatever their tags."""
    return [name for name in known if _repository(name) == _repository(image)]


def _repository(image: str) -> str:
    """The name without its tag and digest."""
    name = image.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
