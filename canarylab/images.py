"""Builds our own images: the program cross-compiled by Go, the image from the folder's Containerfile by buildah."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.files import link_file
from canarylab.lock import queued
from canarylab.oci import read_archive, verify_architecture
from canarylab.paths import cache_home
from canarylab.tools import builders, go

if TYPE_CHECKING:
    from canarylab.context import Context

SOURCE_LABEL = "canarylab.dev/source-digest"
"""The image's label with the digest of what it was built from, so that an image that is up to date is recognised."""

_SOURCES = ("*.go", "go.mod", "go.sum", "*.html", "*.css", "*.js", "Containerfile")
_GO = "1.26"


@dataclass(frozen=True)
class Wanted:
    """What to build: a folder with its Containerfile, the reference of the image, and the build arguments."""

    folder: Path
    image: str
    arguments: Mapping[str, str]

    @property
    def digest(self) -> str:
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


def build(ctx: Context, wanted: Wanted, architecture: str) -> Path:
    """Build and return an OCI archive, kept in the cache under what it was built from.

    It is read before it is believed: raises StageError where it is of another architecture.
    """
    home = cache_home() / "images" / wanted.folder.name
    archive = home / f"{wanted.digest[:16]}-{architecture}.tar"
    if not archive.exists():
        with prepared(ctx, wanted, architecture) as context, tempfile.TemporaryDirectory(dir=home) as scratch:
            ctx.progress(f"building {wanted.image} for {architecture}")
            builder = builders.find(ctx.runner, Path(scratch) / "storage")
            builder.build(
                context / "Containerfile",
                context,
                wanted.image,
                architecture=architecture,
                arguments=wanted.all_arguments,
            )
            finished = Path(scratch) / "image.tar"
            builder.export(wanted.image, finished, wanted.image)
            finished.replace(archive)
    ctx.progress("reading the built image")
    verify_architecture(read_archive(archive, wanted.image), architecture)
    return archive


@contextmanager
def prepared(ctx: Context, wanted: Wanted, architecture: str) -> Iterator[Path]:
    """A folder to build in, for any builder: the Containerfile, and the compiled program that it copies."""
    home = cache_home() / "images" / wanted.folder.name
    home.mkdir(parents=True, exist_ok=True)
    program = _compile(ctx, wanted, architecture, home)
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        context = Path(scratch)
        link_file(program, context / f"{wanted.folder.name}-{architecture}")
        shutil.copy2(wanted.folder / "Containerfile", context)
        yield context


def _compile(ctx: Context, wanted: Wanted, architecture: str, home: Path) -> Path:
    """The static program, compiled once for all variants of an image."""
    program = home / f"{source_digest(wanted.folder, {})[:16]}-{architecture}"
    with queued(home / "lock", ctx.cancel, lambda: ctx.progress("waiting for the same program to be compiled")):
        if not program.exists():
            ctx.progress(f"compiling {wanted.folder.name} for {architecture}")
            temporary = program.with_suffix(".tmp")
            toolchain = go.find(ctx.runner, _GO)
            toolchain.build(wanted.folder, ["."], temporary, architecture=architecture)
            temporary.replace(program)
    return program
