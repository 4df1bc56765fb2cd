"""buildah: builds images from a Containerfile without a daemon, in a storage folder of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from canarylab.tools.runner import Runner

_TIMEOUT = 900.0


def build_options(architecture: str | None, arguments: Mapping[str, str] | None) -> list[str | Path]:
    """The options of `build` that buildah, podman and docker share: the platform and the build arguments."""
    options: list[str | Path] = ["--platform", f"linux/{architecture}"] if architecture else []
    for key, value in (arguments or {}).items():
        options += ["--build-arg", f"{key}={value}"]
    return options


@dataclass(frozen=True)
class Buildah:
    """buildah with its storage in `folder`, away from the user's own images."""

    runner: Runner
    folder: Path

    def _argv(self, *words: str | Path) -> list[str | Path]:
        storage = ("--storage-driver=overlay", "--root", self.folder / "root", "--runroot", self.folder / "run")
        # In a mount namespace of its own: killed, it would leave its overlays mounted on the host.
        return ["unshare", "--mount", "buildah", *storage, *words]

    def build(
        self,
        containerfile: Path,
        context: Path,
        tag: str,
        *,
        architecture: str | None = None,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        """Build `tag`. Nothing is pulled: base images must be in the storage."""
        words = ("build", "--quiet", "--isolation", "chroot", "--pull-never", "--tag", tag)
        options = build_options(architecture, arguments)
        self.runner.run(self._argv(*words, *options, "--file", containerfile, context), timeout=_TIMEOUT)

    def export(self, tag: str, archive: Path, reference: str) -> None:
        """Write an OCI archive that holds the image under `reference`."""
        archive.unlink(missing_ok=True)
        words = ("push", "--quiet", "--disable-compression", tag, f"oci-archive:{archive}:{reference}")
        self.runner.run(self._argv(*words), timeout=_TIMEOUT)
