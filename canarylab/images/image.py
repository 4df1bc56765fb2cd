"""An image of ours: what it is built from, and what an existing one says of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE_LABEL = "canarylab.dev/source-digest"
"""The image's label with the digest of what it was built from, so that an image that is up to date is recognised."""

_SOURCES = ("*.go", "go.mod", "go.sum", "*.html", "*.css", "*.js", "Containerfile")


@dataclass(frozen=True)
class Image:
    """An image that the cluster has: what its configuration says, read from the image itself.

    One that is there for several architectures is listed once for each.
    """

    reference: str
    architecture: str
    labels: dict[str, str]
    program_architecture: str
    """What the ELF header of the entry point's program says; "" where there is none to read."""


@dataclass(frozen=True)
class Wanted:
    """What to build: a folder with its Containerfile, the reference of the image, and the build arguments."""

    folder: Path
    image: str
    arguments: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Of the sources and arguments, as `source_digest` has it."""
        return source_digest(self.folder, self.arguments)

    @property
    def all_arguments(self) -> dict[str, str]:
        """The build arguments, and the digest that the Containerfile puts on the image as a label."""
        return {**self.arguments, "SOURCE_DIGEST": self.digest}


def source_digest(folder: Path, arguments: Mapping[str, str]) -> str:
    """SHA-256 over the sources, tests left out, and the build arguments."""
    sum_of = hashlib.sha256(json.dumps(sorted(arguments.items())).encode())
    for path in sorted(found for pattern in _SOURCES for found in folder.glob(pattern)):
        if not path.name.endswith("_test.go"):
            sum_of.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return sum_of.hexdigest()
