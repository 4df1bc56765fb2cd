"""skopeo: images between folders, archives and registries, without a daemon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from canarylab.tools.runner import Result, Runner

_TIMEOUT = 600.0
"""Seconds a copy may take."""
_ANY = range(256)
"""The exit codes of what the caller judges by itself."""


@dataclass(frozen=True)
class Skopeo:
    """Talks to one registry; `plain` says that it is asked over HTTP, without TLS."""

    runner: Runner
    plain: bool = False

    def push(self, source: str, reference: str) -> None:
        """Copy an image, for all its architectures. `source` names its transport: oci:FOLDER, oci-archive:FILE."""
        self._run("copy", "--all", "--quiet", *self._tls("dest-"), source, f"docker://{reference}")

    def pull(self, reference: str, folder: Path) -> None:
        """Copy an image, for all its architectures, into an OCI layout."""
        self._run("copy", "--all", "--quiet", *self._tls("src-"), f"docker://{reference}", f"oci:{folder}")

    def inspect(self, reference: str) -> Result:
        """The manifest or index as the registry has it. Its exit code is for the caller to judge."""
        return self._run("inspect", "--raw", *self._tls(), f"docker://{reference}", ok=_ANY)

    def delete(self, reference: str) -> Result:
        """Delete what the tag names, if the registry lets one. Its exit code is for the caller to judge."""
        return self._run("delete", *self._tls(), f"docker://{reference}", ok=_ANY)

    def convert(self, source: str, archive: Path, reference: str) -> None:
        """Write an image as an OCI archive in which it goes by `reference`."""
        self._run("copy", "--quiet", source, f"oci-archive:{archive}:{reference}")

    def _run(self, *words: str, ok: Sequence[int] = (0,)) -> Result:
        return self.runner.run(["skopeo", *words], timeout=_TIMEOUT, ok=ok)

    def _tls(self, side: str = "") -> list[str]:
        return [f"--{side}tls-verify=false"] if self.plain else []
