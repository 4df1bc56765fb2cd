"""Reads images: what their configuration says, and what their program really is.

A configuration can say arm64 while the program inside is for amd64; the kernel believes the program.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from canarylab.errors import StageError
from canarylab.images.image import Image

OpenBlob = Callable[[str], IO[bytes]]
"""Opens a blob by its digest, `sha256:...`."""

_BUILD_AGAIN = "delete that file: `invoke up` writes it anew"
_ELF_MACHINES = {62: "amd64", 183: "arm64"}
"""e_machine of the ELF header as Go names the architecture: EM_X86_64, EM_AARCH64."""

_INDEX = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


def read_image(open_blob: OpenBlob, digest: str, reference: str, label: str | None = None) -> Image | None:
    """Follow an image from its manifest to the header of its entry point's program.

    With `label`, an image that doesn't carry it is left alone (None): unpacking a large one takes seconds.
    """
    manifest = _json(open_blob, digest)
    if manifest.get("mediaType") in _INDEX:
        manifest = _json(open_blob, manifest["manifests"][0]["digest"])
    config = _json(open_blob, manifest["config"]["digest"])
    container = config.get("config", {})
    labels = container.get("Labels") or {}
    if label and label not in labels:
        return None
    entry = (container.get("Entrypoint") or container.get("Cmd") or [""])[0].lstrip("/")
    programs = (_program_architecture(open_blob, layer["digest"], entry) for layer in reversed(manifest["layers"]))
    return Image(reference, config.get("architecture", ""), labels, next(filter(None, programs), ""))


def read_archive(archive: Path, reference: str) -> Image:
    """The image of an OCI archive with a single image in it."""
    with tarfile.open(archive) as tar:

        def open_blob(digest: str) -> IO[bytes]:
            return _member(tar, "blobs/" + digest.replace(":", "/"), archive)

        with _member(tar, "index.json", archive) as file:
            index = json.load(file)
        image = read_image(open_blob, index["manifests"][0]["digest"], reference)
    assert image is not None, "without a label to look for, every image is read"
    return image


def elf_architecture(header: bytes) -> str:
    """amd64 or arm64 from the first 20 bytes of a program; "" for anything that isn't ELF."""
    if len(header) < 20 or header[:4] != b"\x7fELF":  # noqa: PLR2004 - the length of what is read below
        return ""
    machine = int.from_bytes(header[18:20], "little" if header[5] == 1 else "big")
    return _ELF_MACHINES.get(machine, f"ELF machine {machine}")


def verify_architecture(image: Image, wanted: str) -> None:
    """Raise unless both the configuration and the program are of the architecture `wanted`."""
    if image.architecture == wanted and image.program_architecture in (wanted, ""):
        return
    raise StageError(
        f"image {image.reference} is for the wrong architecture: its configuration says {image.architecture}, "
        f"its program is {image.program_architecture or 'unreadable'}; the cluster is {wanted}",
        why="a program for another architecture fails with `exec format error` as soon as it starts",
        remedy=f"invoke images --platform linux/{wanted}",
    )


def _program_architecture(open_blob: OpenBlob, layer: str, entry: str) -> str:
    with open_blob(layer) as blob, tarfile.open(fileobj=blob, mode="r:*") as tar:
        for member in tar:
            if member.name.lstrip("./") == entry and member.isfile():
                file = tar.extractfile(member)
                return elf_architecture(file.read(20)) if file else ""
    return ""


def _json(open_blob: OpenBlob, digest: str) -> dict[str, Any]:
    with open_blob(digest) as file:
        return dict(json.load(file))


def _member(tar: tarfile.TarFile, name: str, archive: Path) -> IO[bytes]:
    file = tar.extractfile(name) if name in tar.getnames() else None
    if file is None:
        raise StageError(
            f"the archive has no {name}", where=str(archive), why="it isn't an OCI archive", remedy=_BUILD_AGAIN
        )
    return file
