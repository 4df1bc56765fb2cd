"""Images in the cluster: built by the node itself, and trusted only once they were read.

minikube ends with 0 where a build failed (kubernetes/minikube#12556), and may keep an old image of the same name
(#11276, #16032, #23023). So the image is saved out of the cluster and looked at: its label, its architecture, its
program. What was read is cached under the image's id, which changes with every byte of it.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from canarylab.contract.provider import Images
from canarylab.errors import NotYetObservableError, StageError
from canarylab.files import write_private
from canarylab.images.build import prepared
from canarylab.images.image import SOURCE_LABEL, Image, Wanted
from canarylab.images.oci import read_archive, verify_architecture
from canarylab.pins import architecture
from canarylab.providers.minikube.call import call, call_or_raise, profiles
from canarylab.providers.minikube.problems import failure
from canarylab.tools.minikube import CLUSTER_MISSING, USAGE, ListedImage, Minikube, parse_images
from canarylab.tools.runner import Result, tail

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_OURS = "localhost/"
"""What this repository's playbooks call their images; others in the cluster aren't unpacked to look for our label."""
_LIST_SECONDS = 60.0
_SAVE_SECONDS = 300.0
_BUILD_SECONDS = 900.0
_TAIL_LINES = 8


class NodeImages(Images):
    """Each is built by the node, in the cluster's own store."""

    def ours(self, ctx: Context) -> list[Image]:
        """The images in the cluster that carry this tool's label; none where no cluster runs."""
        found = []
        for listed in _listed(ctx):
            for tag in listed.tags:
                if tag.startswith(_OURS) or _cached(ctx, listed.id).exists():
                    found += _ours(_read(ctx, listed.id, tag))
        return sorted(found, key=lambda image: image.reference)

    def named(self, ctx: Context, reference: str) -> list[Image]:
        """The same, of this name: no other is saved out of the machine."""
        image_id = _id_of(ctx, reference)
        return _ours(_read(ctx, image_id, reference)) if image_id else []

    def deliver(self, ctx: Context, wanted: Wanted) -> None:
        """Build it in the cluster, and make sure that it is what the cluster has now under that name."""
        target = self.architectures(ctx)[0]
        with prepared(ctx, wanted, target) as folder:
            before = _id_of(ctx, wanted.image)
            ctx.progress(f"building {wanted.image} in the cluster for {target}")
            built, after = _build(ctx, wanted, target, folder)
            if after is not None and after == before and not _is_wanted(ctx, after, wanted):
                ctx.progress("the node kept the old image of that name: removing it, and building again")
                self.remove(ctx, wanted.image)
                built, after = _build(ctx, wanted, target, folder)
        ctx.progress("reading the built image")
        image = _read(ctx, after, wanted.image) if after else None
        if after is None or image is None:
            raise _not_built(ctx, wanted.image, built, "the cluster has no image of that name after the build")
        verify_architecture(image, target)
        if not _is_wanted(ctx, after, wanted):
            raise _not_built(ctx, wanted.image, built, "the cluster has another image under that name")

    def remove(self, ctx: Context, reference: str) -> Literal["removed", "absent"]:
        if _id_of(ctx, reference) is None:
            return "absent"
        result = call(ctx, Minikube(ctx.profile).image_remove(reference), timeout=_LIST_SECONDS)
        if _id_of(ctx, reference) is not None:  # it ends with 0 whatever happens
            raise StageError(
                f"{reference} can't be removed",
                why=tail(result.stderr or result.stdout, _TAIL_LINES),
                remedy="a pod still runs it: remove that first",
            )
        return "removed"

    def architectures(self, ctx: Context) -> tuple[str, ...]:
        """As the nodes say it; without a cluster the host's, since a virtual machine is never of another one."""
        try:
            return super().architectures(ctx)
        except NotYetObservableError:
            return (architecture(),)


def _is_wanted(ctx: Context, image_id: str, wanted: Wanted) -> bool:
    """Whether an image was built from just these sources and arguments."""
    image = _read(ctx, image_id, wanted.image)
    return image is not None and image.labels.get(SOURCE_LABEL) == wanted.digest


def _ours(image: Image | None) -> list[Image]:
    return [image] if image and SOURCE_LABEL in image.labels else []


def _build(ctx: Context, wanted: Wanted, architecture: str, folder: Path) -> tuple[Result, str | None]:
    """What it printed, and the id of the image that is there now.

    Not every builder knows for which architecture it builds, so it is an argument.
    """
    profile = profiles(ctx).get(ctx.profile)
    runtime = profile.container_runtime if profile else ""
    arguments = {**wanted.all_arguments, "TARGETARCH": architecture}
    argv = Minikube(ctx.profile).image_build(folder, wanted.image, arguments, runtime)
    built = call_or_raise(ctx, argv, f"build {wanted.image}", timeout=min(_BUILD_SECONDS, ctx.remaining))
    return built, _id_of(ctx, wanted.image)


def _not_built(ctx: Context, reference: str, built: Result, why: str) -> StageError:
    said = tail(built.stderr or built.stdout, _TAIL_LINES)
    return StageError(
        f"{reference} wasn't built, although minikube said it was",
        why=f"{why}; the build printed: {said or 'nothing'}",
        remedy=f"`{ctx.command('up')}` builds it again",
    )


def _listed(ctx: Context) -> list[ListedImage]:
    result = call(ctx, Minikube(ctx.profile).image_list(), timeout=_LIST_SECONDS)
    if result.code in (USAGE, CLUSTER_MISSING):  # there is no such profile
        return []
    if result.code:
        raise failure("list the images", result.output, result.code, ctx)
    return parse_images(result.stdout)


def _id_of(ctx: Context, reference: str) -> str | None:
    return next((listed.id for listed in _listed(ctx) if reference in listed.tags), None)


def _cached(ctx: Context, image_id: str) -> Path:
    return ctx.paths.root / "images" / f"{image_id}.json"


def _read(ctx: Context, image_id: str, reference: str) -> Image | None:
    """What the image says, from this cache or out of the cluster; None where the cluster doesn't have it any more.

    Where it can't be read, what the cluster has by now under that name is: another run may build or remove it.
    """
    try:
        return _read_once(ctx, image_id, reference)
    except StageError:
        by_now = _id_of(ctx, reference)
        return _read_once(ctx, by_now, reference) if by_now else None


def _read_once(ctx: Context, image_id: str, reference: str) -> Image:
    cached = _cached(ctx, image_id)
    if cached.exists():
        return Image(**{**json.loads(cached.read_text()), "reference": reference})
    with tempfile.TemporaryDirectory() as scratch:
        # minikube puts it under the same name into the machine first: two at once must not have one name.
        archive = Path(scratch) / f"{Path(scratch).name}.tar"
        argv = Minikube(ctx.profile).image_save(reference, archive)
        result = call_or_raise(ctx, argv, f"save {reference}", timeout=_SAVE_SECONDS)
        if not archive.exists():
            raise StageError(
                f"{reference} can't be read: minikube saved nothing, although it said it did, and the cluster has it",
                why=tail(result.stderr or result.stdout, _TAIL_LINES),
                remedy=f"`minikube -p {ctx.profile} ssh df` shows whether the machine's disk is full, and `df` whether "
                f"this one's is; then `{ctx.command('up')}`",
            )
        image = read_archive(archive, reference)
    if ctx.paths.root.exists():
        cached.parent.mkdir(exist_ok=True)
        write_private(cached, json.dumps(dataclasses.asdict(image)))
    return image
