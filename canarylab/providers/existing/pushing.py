"""One image for all architectures of a cluster: built for each, put together under an index, pushed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canarylab.images.build import build
from canarylab.images.image import SOURCE_LABEL, Wanted
from canarylab.images.oci import verify_architecture
from canarylab.providers.existing.registry import Registry

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def push(ctx: Context, registry: Registry, wanted: Wanted, architectures: tuple[str, ...]) -> None:
    """Build, push, and read back what the registry then has. Raises StageError where it isn't what was built."""
    # Archives are shared with other providers, for whom it is a local image.
    local = dataclasses.replace(wanted, image=registry.address.local(wanted.image))
    archives = {architecture: build(ctx, local, architecture) for architecture in architectures}
    ctx.progress(f"pushing {wanted.image} for {' and '.join(architectures)}")
    if len(archives) == 1:
        registry.push(f"oci-archive:{next(iter(archives.values()))}", wanted.image)
    else:
        with tempfile.TemporaryDirectory() as folder:
            write_index(archives, Path(folder))
            registry.push(f"oci:{folder}", wanted.image)
    ctx.progress("reading what the registry has")
    for image in registry.images(wanted.image, SOURCE_LABEL):
        verify_architecture(image, image.architecture if image.architecture in architectures else architectures[0])


def write_index(archives: Mapping[str, Path], folder: Path) -> None:
    """An OCI layout in which one index names the image of each archive, by architecture."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    entries = []
    for architecture, archive in archives.items():
        with tarfile.open(archive) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                if content is not None and "blobs/sha256/" in member.name:
                    (blobs / Path(member.name).name).write_bytes(content.read())
            index = tar.extractfile("index.json")
            assert index is not None, "`build` has read it"
            entry = json.load(index)["manifests"][0]
        platform = {"architecture": architecture, "os": "linux"}
        named = {key: entry[key] for key in ("digest", "size")}
        entries.append({"mediaType": entry.get("mediaType", _MANIFEST), **named, "platform": platform})
    top = _write(blobs, {"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))


def _write(blobs: Path, document: dict[str, Any]) -> dict[str, Any]:
    content = json.dumps(document).encode()
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": _INDEX, "digest": f"sha256:{digest}", "size": len(content)}
