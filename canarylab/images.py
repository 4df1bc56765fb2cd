"""Builds our own images: the program cross-compiled by Go, the image from the folder's Containerfile by buildah."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.files import link_file
from canarylab.lock import queued
from canarylab.paths import cache_home
from canarylab.tools import go
from canarylab.tools.buildah import Buildah

if TYPE_CHECKING:
    from canarylab.context import Context

SOURCE_LABEL = "canarylab.dev/source-digest"
"""The image's label with the digest of what it was built from, so that an image that is up to date is recognised."""

_SOURCES = ("*.go", "go.mod", "go.sum", "*.html", "*.css", "*.js", "Containerfile")
_GO = "1.26"


@dataclass(frozen=True)
class Build:
    """What to build, and for which architecture (as Go names it)."""

    folder: Path
    image: str
    arguments: Mapping[str, str]
    architecture: str

    @property
    def digest(self) -> str:
        return source_digest(self.folder, self.arguments)


def source_digest(folder: Path, arguments: Mapping[str, str]) -> str:
    """SHA-256 over the sources, tests left out, and the build arguments."""
    sum_of = hashlib.sha256(json.dumps(sorted(arguments.items())).encode())
    for path in sorted(found for pattern in _SOURCES for found in folder.glob(pattern)):
        if not path.name.endswith("_test.go"):
            sum_of.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return sum_of.hexdigest()


def build(ctx: Context, wanted: Build) -> Path:
    """Build and return an OCI archive, kept in the cache under what it was built from."""
    home = cache_home() / "images" / wanted.folder.name
    archive = home / f"{wanted.digest[:16]}-{wanted.architecture}.tar"
    if archive.exists():
        return archive
    home.mkdir(parents=True, exist_ok=True)
    program = _compile(ctx, wanted, home)
    ctx.progress(f"building {wanted.image} for {wanted.architecture}")
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        context = Path(scratch) / "context"
        context.mkdir()
        link_file(program, context / f"{wanted.folder.name}-{wanted.architecture}")
        shutil.copy2(wanted.folder / "Containerfile", context)
        buildah = Buildah(ctx.runner, Path(scratch) / "buildah")
        arguments = {**wanted.arguments, "SOURCE_DIGEST": wanted.digest}
        buildah.build(
            context / "Containerfile", context, wanted.image, architecture=wanted.architecture, arguments=arguments
        )
        finished = Path(scratch) / "image.tar"
        buildah.export(wanted.image, finished, wanted.image)
        finished.replace(archive)
    return archive


def _compile(ctx: Context, wanted: Build, home: Path) -> Path:
    """The static program, compiled once for all variants of an image."""
    program = home / f"{source_digest(wanted.folder, {})[:16]}-{wanted.architecture}"
    with queued(home / "lock", ctx.cancel, lambda: ctx.progress("waiting for the same program to be compiled")):
        if not program.exists():
            ctx.progress(f"compiling {wanted.folder.name} for {wanted.architecture}")
            temporary = program.with_suffix(".tmp")
            toolchain = go.find(ctx.runner, _GO)
            toolchain.build(wanted.folder, ["."], temporary, architecture=wanted.architecture)
            temporary.replace(program)
    return program
