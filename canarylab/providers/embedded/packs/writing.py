"""Writes a pack: what lies in folders becomes an index, and then a stream of contents."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from canarylab.cancel import Cancel
from canarylab.errors import StageError
from canarylab.providers.embedded.packs import members
from canarylab.providers.embedded.packs.index import Entry, Index
from canarylab.providers.embedded.packs.zstandard import compressing

_CHUNK = 1 << 20
_CARRY_MEANING = ("security.capability", "trusted.overlay.")
"""Extended attributes without which a file would be another; a build has none, and a pack has no place for them."""


NOT_OF_A_BUILD = "remove it if somebody put it there; if a Debian package of the build has it, please report that"


@dataclass(frozen=True)
class Found:
    """An entry, and the file that it describes."""

    entry: Entry
    source: Path


def inventory(source: Path, path: str, cancel: Cancel) -> Iterator[Found]:
    """`source` and all that is in it, under the name `path`, in an index's order. Files are read for their digests."""
    cancel.check()
    yield Found(_entry(source, path), source)
    if source.is_dir() and not source.is_symlink():
        for name in sorted(path.name for path in source.iterdir()):
            yield from inventory(source / name, f"{path}/{name}", cancel)


def _entry(source: Path, path: str) -> Entry:
    status = source.lstat()
    if odd := [name for name in os.listxattr(source, follow_symlinks=False) if name.startswith(_CARRY_MEANING)]:
        raise _unpackable(source, f"it has extended attributes: {', '.join(odd)}")
    common: dict[str, Any] = {"path": path, "uid": status.st_uid, "gid": status.st_gid}
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Entry(kind="link", target=str(source.readlink()), **common)
    if stat.S_ISDIR(status.st_mode):
        return Entry(kind="folder", mode=mode, **common)
    if stat.S_ISREG(status.st_mode):
        with source.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Entry(kind="file", mode=mode, size=status.st_size, sha256=sha256, **common)
    if stat.S_ISCHR(status.st_mode):
        return Entry(kind="device", mode=mode, device=(os.major(status.st_rdev), os.minor(status.st_rdev)), **common)
    raise _unpackable(source, "it is no file, folder, link or character device")


def _unpackable(where: Path, why: str) -> StageError:
    return StageError("this can't be packed", where=str(where), why=why, remedy=NOT_OF_A_BUILD)


def write(
    file: IO[bytes], index: Index, sources: dict[str, Path], cancel: Cancel, progress: Callable[[int, int], None]
) -> None:
    """Write the pack; `sources` has a file for each digest, `progress` gets bytes done of all.

    The files are read piece by piece. Raises StageError where one has changed since the index was made.
    """
    total, done = sum(index.contents().values()), 0
    with compressing(file) as packed:
        raw = index.to_bytes()
        packed.write(members.header(members.INDEX, len(raw)) + raw + members.padding(len(raw)))
        for sha256, size in index.contents().items():
            packed.write(members.header(members.content_name(sha256), size))
            sum_of = hashlib.sha256()
            with sources[sha256].open("rb") as source:
                while chunk := source.read(_CHUNK):
                    cancel.check()
                    sum_of.update(chunk)
                    packed.write(chunk)
                    done += len(chunk)
                    progress(done, total)
            if sum_of.hexdigest() != sha256:
                raise StageError(
                    "a file of the build changed while it was packed",
                    where=str(sources[sha256]),
                    remedy="end what changes it, and pack again",
                )
            packed.write(members.padding(size))
        packed.write(members.END)
