"""The machine's images: through containerd where it must know, from its files where reading is enough."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from canarylab.errors import StageError
from canarylab.files import link_file
from canarylab.images.image import SOURCE_LABEL, Image
from canarylab.images.oci import read_image
from canarylab.providers.embedded.machine import Machine

_CTR = ("ctr", "--namespace", "k8s.io", "image")
_BLOBS = "var/lib/containerd/io.containerd.content.v1.content/blobs"


def images(machine: Machine) -> list[Image]:
    """The images that carry this tool's label. Those of the node itself, and bare digests, are left out."""
    listed = machine.run([*_CTR, "list", "name~=^localhost/"], timeout=30).stdout
    found = []
    for reference, digest in parse_list(listed):
        with suppress(FileNotFoundError, StageError):  # deleted meanwhile, or not an image of one architecture
            image = _read(machine.path(_BLOBS), digest, reference)
            if image:
                found.append(image)
    return found


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
    inbox = machine.path("var/tmp")
    inbox.mkdir(exist_ok=True)
    passed = inbox / archive.name
    passed.unlink(missing_ok=True)
    link_file(archive, passed)
    try:
        machine.run([*_CTR, "import", f"/var/tmp/{archive.name}"], timeout=120)
    finally:
        passed.unlink(missing_ok=True)


def remove(machine: Machine, reference: str) -> Literal["removed", "absent"]:
    """Take an image out of containerd's store; "absent" where it isn't there, or no machine runs."""
    if not machine.is_up():
        return "absent"
    known: Sequence[tuple[str, str]] = parse_list(machine.run([*_CTR, "list", f"name=={reference}"], timeout=30).stdout)
    if not known:
        return "absent"
    machine.run([*_CTR, "remove", reference], timeout=30)
    return "removed"
