"""skopeo: images between folders, archives and registries, without a daemon."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from canarylab.tools.runner import Result, Runner

TIMEOUT = 600.0
"""Seconds a copy may take."""


@dataclass(frozen=True)
class Skopeo:
    """Talks to one registry; `plain` says that it is asked over HTTP, without TLS."""

    runner: Runner
    plain: bool = False

    def push(self, source: str, reference: str) -> None:
        """Copy an image, for all its architectures. `source` names its transport: oci:FOLDER, oci-archive:FILE."""
        words = ["copy", "--all", "--quiet", *self._tls("dest"), source, f"docker://{reference}"]
        self.runner.run(["skopeo", *words], timeout=TIMEOUT)

    def pull(self, reference: str, folder: Path) -> None:
        """Copy an image, for all its architectures, into an OCI layout."""
        words = ["copy", "--all", "--quiet", *self._tls("src"), f"docker://{reference}", f"oci:{folder}"]
        self.runner.run(["skopeo", *words], timeout=TIMEOUT)

    def inspect(self, reference: str) -> Result:
        """The manifest or index as the registry has it. Its exit code is for the caller to judge."""
        words = ["inspect", "--raw", *self._tls(), f"docker://{reference}"]
        return self.runner.run(["skopeo", *words], timeout=TIMEOUT, ok=range(256))

    def delete(self, reference: str) -> Result:
        """Delete what the tag names, if the registry lets one. Its exit code is for the caller to judge."""
        words = ["delete", *self._tls(), f"docker://{reference}"]
        return self.runner.run(["skopeo", *words], timeout=TIMEOUT, ok=range(256))

    def convert(self, source: str, archive: Path, reference: str) -> None:
        """Write an image as an OCI archive in which it goes by `reference`."""
        words = ["copy", "--quiet", source, f"oci-archive:{archive}:{reference}"]
        self.runner.run(["skopeo", *words], timeout=TIMEOUT)

    def _tls(self, side: str = "") -> list[str]:
        prefix = f"{side}-" if side else ""
        return [f"--{prefix}tls-verify=false"] if self.plain else []
