"""What builds images on this machine: buildah where there is one, else podman, else docker."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from canarylab.tools.buildah import Buildah
from canarylab.tools.runner import Runner
from canarylab.tools.skopeo import Skopeo

_TIMEOUT = 900.0


def find(runner: Runner, folder: Path) -> Buildah | Engine:
    """The first that is on the PATH; `folder` is for what it stores.

    buildah needs root here: as another user podman or docker comes first. Where there is none of them, buildah is named
    as what is missing.
    """
    engines = [name for name in ("podman", "docker") if shutil.which(name)]
    if engines and (os.geteuid() != 0 or not shutil.which("buildah")):
        return Engine(runner, engines[0], folder)
    return Buildah(runner, folder)


def options(architecture: str, arguments: Mapping[str, str]) -> list[str]:
    """The options of `build` that all of them share: the platform and the build arguments."""
    given = (word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}"))
    return ["--platform", f"linux/{architecture}", *given]


@dataclass(frozen=True)
class Engine:
    """podman or docker, whose command lines are the same as far as they are used here."""

    runner: Runner
    program: str
    folder: Path

    def build(self, containerfile: Path, context: Path, tag: str, options: Sequence[str] = ()) -> None:
        """As `Buildah.build`, except that base images may be pulled."""
        self._run("build", "--quiet", "--tag", tag, *options, "--file", containerfile, context)

    def export(self, tag: str, archive: Path, reference: str) -> None:
        """By way of docker's own format, which both write and skopeo reads; then the engine needs the image no more."""
        self.folder.mkdir(parents=True, exist_ok=True)
        saved = self.folder / "image.tar"
        self._run("save", "--output", saved, tag)
        archive.unlink(missing_ok=True)
        Skopeo(self.runner).convert(f"docker-archive:{saved}", archive, reference)
        self._run("rmi", tag)

    def _run(self, *words: str | Path) -> None:
        self.runner.run([self.program, *words], timeout=_TIMEOUT)
