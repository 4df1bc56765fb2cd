"""buildah: builds images from a Containerfile without a daemon, in a storage folder of our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from canarylab.tools.runner import Runner

_TIMEOUT = 900.0


@dataclass(frozen=True)
class Buildah:
    """buildah with its storage in `folder`, away from the user's own images."""

    runner: Runner
    folder: Path

    def build(self, containerfile: Path, context: Path, tag: str, options: Sequence[str] = ()) -> None:
        """Build `tag`. Nothing is pulled: base images must be in the storage. Raises CommandError where it fails."""
        words = ("build", "--quiet", "--isolation", "chroot", "--pull-never", "--tag", tag)
        self._run(*words, *options, "--file", containerfile, context)

    def export(self, tag: str, archive: Path, reference: str) -> None:
        """Write an OCI archive that holds the image under `reference`."""
        archive.unlink(missing_ok=True)
        self._run("push", "--quiet", "--disable-compression", tag, f"oci-archive:{archive}:{reference}")

    def _run(self, *words: str | Path) -> None:
        storage = ("--storage-driver=overlay", "--root", self.folder / "root", "--runroot", self.folder / "run")
        # In a mount namespace of its own: killed, it would leave its overlays mounted on the host.
        self.runner.run(["unshare", "--mount", "buildah", *storage, *words], timeout=_TIMEOUT)
