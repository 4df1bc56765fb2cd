"""Files: copies that cost nothing, deletion that insists, and writes that are whole or not there."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tarfile
from collections.abc import Collection
from io import FileIO
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""What the kernel says where a disk, or a user's share of it, is full."""


def link_tree(source: Path, target: Path, *, copied: Collection[str] = ()) -> None:
    """Copy a folder as hard links where both lie on one filesystem, else as copies. What is there is replaced.

    Files with a suffix in `copied` become real copies: those that are changed in place must not be shared.
    """
    target.mkdir(parents=True, exist_ok=True)
    shutil.copystat(source, target)
    status = source.stat()
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid)
    for entry in os.scandir(source):
        destination = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            link_tree(Path(entry.path), destination, copied=copied)
            continue
        destination.unlink(missing_ok=True)
        if destination.suffix in copied:
            shutil.copy2(entry.path, destination, follow_symlinks=False)
        else:
            link_file(Path(entry.path), destination)


def link_file(source: Path, target: Path) -> None:
    """A hard link to the file, or a copy where none can be made."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another filesystem, or one without hard links
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """A copy of a file, a link or a device: reading a device node would never end."""
    status = source.lstat()
    if stat.S_ISLNK(
        status.st_mode
    ):  # shutil looks at what it leads to, such as /dev/stderr at a pipe, and refuses that
        target.symlink_to(source.readlink())
    elif stat.S_ISREG(status.st_mode):
        shutil.copy2(source, target)
    else:
        os.mknod(target, status.st_mode, status.st_rdev)
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)


def extract(archive: Path, folder: Path) -> None:
    """Unpack a tar archive; what leads out of the folder is refused, except by a Python that is older than 3.11.4."""
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12's Python has none
        tar.extractall(folder)


def existing_parent(folder: Path) -> Path:
    """The folder itself or the nearest above it that exists, such as for a look at its filesystem."""
    while not folder.exists():
        folder = folder.parent
    return folder


def delete(path: Path) -> bool:
    """Delete a file or a whole folder; False where it wasn't there."""
    was_there = os.path.lexists(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return was_there


def write_private(path: Path, content: str) -> None:
    """Replace a file in one step, readable by its owner only from its first moment on.

    A link to it stays a link. It keeps its owner, a new one gets that of its folder: with sudo it is a user's own.
    On a full disk, what isn't longer than the file is written over it: a teardown takes entries out.
    """
    path, data = path.resolve(), content.encode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            _write_all(file, data)
        _give(temporary, path if path.exists() else path.parent)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno not in NO_ROOM or not path.exists() or len(data) > path.stat().st_size:
            raise
        with path.open("r+b", buffering=0) as file:
            _write_all(file, data)
            file.truncate()


def _write_all(file: FileIO, data: bytes) -> None:
    """Without a buffer: what finds no room must not be tried once more when the file is closed."""
    while data:
        data = data[file.write(data) :]


def private_folder(path: Path) -> None:
    """Make a folder that only its owner can enter, where there is none; it gets the owner of the one above."""
    if not path.exists():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        _give(path, path.parent)


def _give(path: Path, like: Path) -> None:
    """Make the owner of `like` the owner of `path`, where this process may."""
    if os.geteuid() == 0:
        status = like.stat()
        os.chown(path, status.st_uid, status.st_gid)
