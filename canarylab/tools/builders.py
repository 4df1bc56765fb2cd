"""What builds images on this machine: buildah where there is one, else podman, else docker."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from canarylab.tools.buildah import Buildah, build_options
from canarylab.tools.runner import Runner
from canarylab.tools.skopeo import Skopeo

_TIMEOUT = 900.0


class Builder(Protocol):
    """Builds from a Containerfile, and writes what it built as an OCI archive."""

    def build(
        self,
        containerfile: Path,
        context: Path,
        tag: str,
        *,
        architecture: str | None = None,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        """Build `tag`, for this machine's architecture unless one is named. Raises CommandError where it fails."""

    def export(self, tag: str, archive: Path, reference: str) -> None:
        """Write an OCI archive that holds the image under `reference`."""


def find(runner: Runner, folder: Path) -> Builder:
    """The first that is on the PATH; `folder` is for what it stores.

    buildah needs root here: as another user podman or docker comes first. Where there is none of them, buildah is named
    as what is missing.
    """
    engines = [name for name in ("podman", "docker") if shutil.which(name)]
    if shutil.which("buildah") and (os.geteuid() == 0 or not engines):
        return Buildah(runner, folder)
    return Engine(runner, engines[0], folder) if engines else Buildah(runner, folder)


@dataclass(frozen=True)
class Engine:
    """podman or docker, whose command lines are the same as far as they are used here."""

    runner: Runner
    program: str
    folder: Path

    def build(
        self,
        containerfile: Path,
        context: Path,
        tag: str,
        *,
        architecture: str | None = None,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        """As `Buildah.build`, except that base images may be pulled."""
        words = ["build", "--quiet", "--tag", tag, *build_options(architecture, arguments)]
        self.runner.run([self.program, *words, "--file", containerfile, context], timeout=_TIMEOUT)

    def export(self, tag: str, archive: Path, reference: str) -> None:
        """By way of docker's own format, which both write and skopeo reads; then the engine needs the image no more."""
        self.folder.mkdir(parents=True, exist_ok=True)
        saved = self.folder / "image.tar"
        self.runner.run([self.program, "save", "--output", saved, tag], timeout=_TIMEOUT)
        archive.unlink(missing_ok=True)
        Skopeo(self.runner).convert(f"docker-archive:{saved}", archive, reference)
        self.runner.run([self.program, "rmi", tag], timeout=_TIMEOUT)
