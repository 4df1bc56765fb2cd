"""Images are handed to the machine's containerd as archives: there is no registry.

They are asked for through containerd where it must know, and read from its files where that is enough.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from canarylab import pins
from canarylab.contract.provider import Images
from canarylab.errors import StageError
from canarylab.files import link_file
from canarylab.images.build import build
from canarylab.images.image import SOURCE_LABEL, Image
from canarylab.images.oci import read_image

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.images.image import Wanted
    from canarylab.providers.embedded import EmbeddedProvider
    from canarylab.providers.embedded.machine import Machine

_CTR = ("ctr", "--namespace", "k8s.io", "image")
_BLOBS = "var/lib/containerd/io.containerd.content.v1.content/blobs"


class MachineImages(Images):
    """They need the machine alone, and can be there before the cluster is."""

    needs = ("machine",)

    def __init__(self, provider: EmbeddedProvider) -> None:
        self._provider = provider

    def ours(self, ctx: Context) -> list[Image]:
        """The images that carry this tool's label. Those of the node itself, and bare digests, are left out."""
        machine = self._provider.machine(ctx)
        found = []
        for reference, digest in _listed(machine, "name~=^localhost/"):
            with suppress(FileNotFoundError, StageError):  # deleted meanwhile, or not an image of one architecture
                if image := _read(machine.path(_BLOBS), digest, reference):
                    found.append(image)
        return found

    def deliver(self, ctx: Context, wanted: Wanted) -> None:
        archive = build(ctx, wanted, pins.architecture())
        ctx.progress("handing it to the cluster")
        load(self._provider.machine(ctx), archive)

    def remove(self, ctx: Context, reference: str) -> Literal["removed", "absent"]:
        """Take an image out of containerd's store; "absent" where it isn't there, or no machine runs."""
        machine = self._provider.machine(ctx)
        if not _listed(machine, f"name=={reference}"):
            return "absent"
        machine.run([*_CTR, "remove", reference], timeout=30)
        return "removed"

    def architectures(self, ctx: Context) -> tuple[str, ...]:  # noqa: ARG002 - the host's
        return (pins.architecture(),)


def _listed(machine: Machine, condition: str) -> list[tuple[str, str]]:
    """The images for which a condition of `ctr` holds, as `parse_list` has them; none where no machine runs."""
    if not machine.is_up():
        return []
    return parse_list(machine.run([*_CTR, "list", condition], timeout=30).stdout)


def parse_list(output: str) -> list[tuple[str, str]]:
    """Reference and manifest digest of each line of `ctr image list`."""
    rows = [line.split() for line in output.splitlines()[1:]]
    return [(row[0], row[2]) for row in rows if len(row) > 2 and row[2].startswith("sha256:")]  # noqa: PLR2004


@functools.lru_cache(maxsize=64)
def _read(blobs: Path, digest: str, reference: str) -> Image | None:
    """What a digest names never changes: each image is read once a run."""
    return read_image(lambda name: (blobs / name.replace(":", "/")).open("rb"), digest, reference, label=SOURCE_LABEL)


def load(machine: Machine, archive: Path) -> None:
    """Import an OCI archive. The machine sees its own folders only, so the archive goes through one of them."""
    passed = machine.path("var/tmp") / archive.name
    passed.parent.mkdir(exist_ok=True)
    passed.unlink(missing_ok=True)
    link_file(archive, passed)
    try:
        machine.run([*_CTR, "import", f"/var/tmp/{archive.name}"], timeout=120)
    finally:
        passed.unlink(missing_ok=True)
