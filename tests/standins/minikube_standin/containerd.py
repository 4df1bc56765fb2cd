"""The images of a node: in its containerd, under the names that a minikube's node has them by."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from canarylab.errors import CommandError
from canarylab.tools import builders
from canarylab.tools.buildah import Buildah

if TYPE_CHECKING:
    from .node import Node

_CTR = ("ctr", "--namespace", "k8s.io", "images")
_BLOBS = "var/lib/containerd/io.containerd.content.v1.content/blobs"


class BuildError(Exception):
    """The builder couldn't: minikube prints what it said, and ends with 0."""


class Store(Protocol):
    """Where `minikube image` finds and puts images. Programs that fail raise CommandError."""

    def names(self) -> list[tuple[str, str]]:
        """Names and manifest digests."""
        ...

    def blob(self, digest: str) -> dict[str, Any]:
        """A document of an image. Raises FileNotFoundError where it was removed meanwhile."""
        ...

    def add(self, archive: Path) -> None:
        """Of any architecture: the runtime takes what it is given, and the program fails when it is started."""
        ...

    def save(self, name: str, archive: Path, platform: str) -> None: ...

    def remove(self, name: str) -> None: ...

    def build(
        self, file: Path, context: Path, tag: str, *, scratch: Path, architecture: str, arguments: Mapping[str, str]
    ) -> None:
        """Build an image under that name, from a copy of the context in the scratch folder. Raises BuildError."""
        ...


class Containerd:
    """The store of the embedded node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def names(self) -> list[tuple[str, str]]:
        """Without what the node calls its images on its own."""
        lines = [line.split() for line in self._node.run([*_CTR, "list"]).stdout.splitlines()[1:]]
        from .node import hidden_names

        hidden = hidden_names()
        bare = ("sha256:",)
        return [(line[0], line[2]) for line in lines if line[0] not in hidden and not line[0].startswith(bare)]

    def blob(self, digest: str) -> dict[str, Any]:
        return dict(json.loads((self._node.path(_BLOBS) / digest.replace(":", "/")).read_bytes()))

    def add(self, archive: Path) -> None:
        inbox = self._node.path("var/tmp")
        inbox.mkdir(exist_ok=True)
        passed = inbox / f"standin-{archive.name}"
        passed.unlink(missing_ok=True)
        shutil.copyfile(archive, passed)
        try:
            self._node.run([*_CTR, "import", "--all-platforms", f"/var/tmp/{passed.name}"])
        finally:
            passed.unlink(missing_ok=True)

    def save(self, name: str, archive: Path, platform: str) -> None:
        inside = f"var/tmp/save-{archive.name}"
        self._node.path("var/tmp").mkdir(exist_ok=True)
        self._node.run([*_CTR, "export", "--platform", platform, f"/{inside}", name])
        shutil.move(self._node.path(inside), archive)

    def remove(self, name: str) -> None:
        self._node.run([*_CTR, "remove", name])

    def build(
        self, file: Path, context: Path, tag: str, *, scratch: Path, architecture: str, arguments: Mapping[str, str]
    ) -> None:
        """By buildah, with its storage in the scratch folder."""
        buildah = Buildah(self._node.runner, scratch / "buildah")
        try:
            buildah.build(file, context, tag, builders.options(architecture, arguments))
        except CommandError as error:
            raise BuildError(str(error)) from error
        archive = scratch / f"{scratch.name}.tar"  # two builds at once go through one folder
        buildah.export(tag, archive, tag)
        self.add(archive)
