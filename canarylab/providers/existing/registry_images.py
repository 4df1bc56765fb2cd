"""Images go to the cluster through the playbook's registry, which its nodes pull from: one for all architectures."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from canarylab.contract.provider import Images
from canarylab.errors import UsageError
from canarylab.files import extract
from canarylab.images.build import build
from canarylab.images.image import SOURCE_LABEL, Image, Wanted
from canarylab.images.oci import verify_architecture
from canarylab.ownership.foreign import ConflictError
from canarylab.providers.existing import requirements
from canarylab.providers.existing.registry import LOCAL, Address, Registry
from canarylab.removal import Removal

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_INDEX = "application/vnd.oci.image.index.v1+json"


class RegistryImages(Images):
    """`registry` is HOST/PATH, or None where the playbook names none."""

    def __init__(self, registry: str | None) -> None:
        self._address = registry
        self._registry: Registry | None = None

    def registry(self, ctx: Context) -> Registry:
        """The playbook's. Raises UsageError where it names none."""
        if not self._address:
            raise UsageError(
                "the playbook names no registry for the images that are built here",
                why="a cluster that isn't ours gets its images by name, from a registry that its nodes can reach",
                remedy="under `cluster`, add `registry: HOST/PATH`, and `skopeo login HOST` if it requires a login",
            )
        if self._registry is None:
            self._registry = Registry(Address.parse(self._address), ctx.runner)
        return self._registry

    def reference(self, reference: str) -> str:
        if not reference.startswith(LOCAL) or not self._address:
            return reference
        return Address.parse(self._address).reference(reference)

    def architectures(self, ctx: Context) -> tuple[str, ...]:
        return requirements.architectures(ctx.cluster)

    def ours(self, ctx: Context) -> list[Image]:
        """Those of the playbook's that its registry has.

        Raises UsageError where there are some and no registry, ConflictError where it has another's by such a name.
        """
        wanted = (stage.options.image for stage in ctx.playbook.stages if stage.kind == "image")
        references = dict.fromkeys(map(self.reference, wanted))
        return [image for reference in references for image in self.registry(ctx).images(reference, SOURCE_LABEL)]

    def deliver(self, ctx: Context, wanted: Wanted) -> None:
        """Build, push, and read back what the registry then has. Raises StageError where it isn't what was built."""
        registry, architectures = self.registry(ctx), self.architectures(ctx)
        # Archives are shared with other providers, for whom it is a local image.
        local = dataclasses.replace(wanted, image=registry.address.local(wanted.image))
        archives = {architecture: build(ctx, local, architecture) for architecture in architectures}
        ctx.progress(f"pushing {wanted.image} for {' and '.join(architectures)}")
        if len(archives) == 1:
            registry.skopeo.push(f"oci-archive:{next(iter(archives.values()))}", wanted.image)
        else:
            with tempfile.TemporaryDirectory() as folder:
                write_index(archives, Path(folder))
                registry.skopeo.push(f"oci:{folder}", wanted.image)
        ctx.progress("reading what the registry has")
        for image in registry.images(wanted.image, SOURCE_LABEL):
            verify_architecture(image, image.architecture if image.architecture in architectures else architectures[0])

    def remove(self, ctx: Context, reference: str) -> Literal["removed", "absent"] | Removal:
        try:
            if not self._address or not self.registry(ctx).images(reference, SOURCE_LABEL):
                return "absent"
        except ConflictError as error:
            return Removal(f"image {reference}", "left", error.why or error.what)
        refused = self.registry(ctx).delete(reference)
        return Removal(f"image {reference}", "left", refused) if refused else "removed"


def write_index(archives: Mapping[str, Path], folder: Path) -> None:
    """An OCI layout in which one index names the image of each archive, by architecture."""
    entries = []
    for architecture, archive in archives.items():
        extract(archive, folder)  # blobs are named by their digest: all lie in one folder
        entry = json.loads((folder / "index.json").read_text())["manifests"][0]
        named = {key: entry[key] for key in ("mediaType", "digest", "size")}
        entries.append({**named, "platform": {"architecture": architecture, "os": "linux"}})
    index = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}).encode()
    digest = hashlib.sha256(index).hexdigest()
    (folder / "blobs" / "sha256" / digest).write_bytes(index)
    top = {"mediaType": _INDEX, "digest": f"sha256:{digest}", "size": len(index)}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
