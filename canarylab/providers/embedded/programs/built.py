"""Where the built programs and images of the node lie: under a digest of everything they are built from."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from canarylab import pins
from canarylab.paths import REPOSITORY, cache_home
from canarylab.pins import NODE, architecture

_SOURCES = (
    *(NODE / name for name in ("go.mod", "go.sum", "packages.yaml", "wheels.txt", "cmd", "internal", "images")),
    Path(__file__).parent,
    Path(pins.__file__),
)
"""What the programs are built from, and what builds them."""


@functools.cache
def digest() -> str:
    """SHA-256 over everything that the programs are built from, this host's architecture included."""
    sum_of = hashlib.sha256(architecture().encode())
    for top in _SOURCES:
        for path in sorted([top] if top.is_file() else top.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                sum_of.update(path.relative_to(REPOSITORY).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return sum_of.hexdigest()


@dataclass(frozen=True)
class Built:
    """Where the built things of one digest lie."""

    folder: Path

    @property
    def bin(self) -> Path:
        """kubectl, helm and the Argo plugin, for the host."""
        return self.folder / "bin"

    @property
    def root(self) -> Path:
        """The Debian root that the machine runs on, Kubernetes' programs included."""
        return self.folder / "node"

    @property
    def store(self) -> Path:
        """containerd's folder with all images of the node imported and unpacked."""
        return self.folder / "store"

    @property
    def charts(self) -> Path:
        return self.folder / "charts"

    @property
    def rollouts_manifest(self) -> Path:
        return self.folder / "argo-rollouts.json"

    @property
    def gateway_api_manifest(self) -> Path:
        return self.folder / "gateway-api.json"

    @property
    def is_complete(self) -> bool:
        """The folder gets this name in one step, at the very end of the build."""
        return self.folder.is_dir()


def built() -> Built:
    return Built(cache_home() / "node" / digest()[:16])
