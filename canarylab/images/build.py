"""Builds our own images: the program cross-compiled by Go, the image from the folder's Containerfile by buildah."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.files import link_file
from canarylab.images.image import Wanted, source_digest
from canarylab.images.oci import read_archive, verify_architecture
from canarylab.lock import queued
from canarylab.paths import cache_home
from canarylab.tools import builders, go

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_GO = "1.26"


def build(ctx: Context, wanted: Wanted, architecture: str) -> Path:
    """Build and return an OCI archive, kept in the cache under what it was built from.

    It is read before it is believed: raises StageError where it is of another architecture.
    """
    archive = archive_of(wanted, architecture)
    home = archive.parent
    if not archive.exists():
        with prepared(ctx, wanted, architecture) as context, tempfile.TemporaryDirectory(dir=home) as scratch:
            ctx.progress(f"building {wanted.image} for {architecture}")
            builder = builders.find(ctx.runner, Path(scratch) / "storage")
            options = builders.options(architecture, wanted.all_arguments)
            builder.build(context / "Containerfile", context, wanted.image, options)
            finished = Path(scratch) / "image.tar"
            builder.export(wanted.image, finished, wanted.image)
            finished.replace(archive)
    ctx.progress("reading the built image")
    verify_architecture(read_archive(archive, wanted.image), architecture)
    return archive


def archive_of(wanted: Wanted, architecture: str) -> Path:
    """Where `build` keeps it, whether it is there yet or not."""
    return cache_home() / "images" / wanted.folder.name / f"{wanted.digest[:16]}-{architecture}.tar"


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
