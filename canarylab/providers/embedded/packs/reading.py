"""Reads a pack: its index first, then every content against its digest, into a folder that nobody else uses yet."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from canarylab.cancel import Cancel
from canarylab.errors import UsageError
from canarylab.providers.embedded.packs import checks, members
from canarylab.providers.embedded.packs.checks import PackError
from canarylab.providers.embedded.packs.index import Entry, Index, Wanted
from canarylab.providers.embedded.packs.zstandard import MAGIC, ZstdError, decompressing

if TYPE_CHECKING:
    from canarylab.providers.embedded.packs.zstandard import ZstdFile

_CHUNK = 1 << 20
_MOST_INDEX = 16 << 20
"""Bytes that an index may have, since it is read whole; a real one has less than one MiB."""
_MAGICS = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "a zip archive",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"\x7fELF": "a program",
}


class Reader:
    """A pack that is open. Its index has been checked; of its contents nothing is known yet."""

    def __init__(self, stream: ZstdFile) -> None:
        self._stream = stream
        self._seen: set[str] = set()
        self.index = self._index()

    def _index(self) -> Index:
        block = self._read(members.BLOCK)
        member = _parsed(block)
        if member is None:
            raise PackError("it isn't a pack of programs: there is no tar archive in it")
        if member.name != members.INDEX:
            begins = f", and begins with {checks.shown(member.name)}" if member.isreg() or member.isdir() else ""
            raise PackError(f"it isn't a pack of programs: what is in it has no {members.INDEX}{begins}")
        if not 0 <= member.size <= _MOST_INDEX:
            raise PackError(f"its index is too large: {member.size:,} bytes")
        self._expect(members.INDEX, member.size, block)
        raw = self._read(member.size)
        self._require_padding(member.size)
        return checks.parsed(raw)

    def extract(self, folder: Path, cancel: Cancel, progress: Callable[[int, int], None]) -> None:
        """Unpack all of it into the empty folder. Raises PackError at the first thing that isn't as the index says.

        The index must have been checked. `progress` gets bytes done of all.
        """
        copies: dict[str, list[Path]] = {}
        for entry in self.index.entries:
            if entry.kind == "folder":
                (folder / entry.path).mkdir(mode=0o700)
            elif entry.kind == "file":
                copies.setdefault(entry.sha256, []).append(folder / entry.path)
        done, total = 0, sum(self.index.contents().values())
        for sha256, size in self.index.contents().items():
            first, *others = copies[sha256]
            for length in self._content(sha256, size, first):
                cancel.check()
                done += length
                progress(done, total)
            for other in others:
                shutil.copyfile(first, other)
        self._require_end()
        for entry in self.index.entries:
            _finish(folder / entry.path, entry)
        for entry in reversed(self.index.entries):  # a folder last: its mode may forbid what is made in it
            if entry.kind == "folder":
                (folder / entry.path).chmod(entry.mode)

    def _content(self, sha256: str, size: int, path: Path) -> Iterator[int]:
        """Write one content to a new file; yields the lengths of its pieces."""
        name = members.content_name(sha256)
        self._expect(name, size, self._read(members.BLOCK))
        sum_of = hashlib.sha256()
        with path.open("xb") as file:
            left = size
            while left:
                chunk = self._read(min(left, _CHUNK))
                sum_of.update(chunk)
                file.write(chunk)
                left -= len(chunk)
                yield len(chunk)
        if sum_of.hexdigest() != sha256:
            raise PackError(f"the content of {name} isn't what its digest says", why=f"it is {sum_of.hexdigest()}")
        self._require_padding(size)

    def _expect(self, name: str, size: int, block: bytes) -> None:
        """Raise, with what is there instead, unless the block is the header of this member."""
        if block != members.header(name, size):
            raise PackError(self._difference(name, size, block))
        self._seen.add(name)

    def _difference(self, name: str, size: int, block: bytes) -> str:
        member = _parsed(block)
        if member is None:
            damaged = f"it is damaged: where {name} should begin there is no header of a tar archive"
            return damaged if any(block) else f"it ends before {name}, which its index names"
        named = checks.shown(member.name)
        if not member.isreg():
            leads = f" -> {checks.shown(member.linkname)}" if member.linkname else ""
            return f"it has a link, a device or a folder in place of a file: {named}{leads}"
        if member.name in self._seen:
            return f"it has {named} twice"
        if member.name != name:
            return f"it has {named} where its index has {name}"
        if member.size != size:
            return f"{name} has {member.size:,} bytes, and {size:,} in its index"
        return f"it wasn't written by this tool: the header of {name} is another"

    def _require_padding(self, size: int) -> None:
        expected = members.padding(size)
        if self._read(len(expected)) != expected:
            raise PackError("it wasn't written by this tool: there is something between two of its members")

    def _require_end(self) -> None:
        end = self._read(len(members.END))
        if end != members.END:
            member = _parsed(end[: members.BLOCK])
            more = f"it has more in it than its index names: {checks.shown(member.name)}" if member else ""
            raise PackError(more or "it has no end")
        if self._some():
            raise PackError("it has more in it than its index names: something follows after its end")

    def _read(self, size: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < size:
            piece = self._some(size - len(pieces))
            if not piece:
                raise PackError("it is cut short: it ends before its contents do")
            pieces += piece
        return bytes(pieces)

    def _some(self, size: int = 1) -> bytes:
        try:
            return self._stream.read(size)
        except EOFError as error:
            raise PackError("it is cut short: it ends before its contents do") from error
        except ZstdError as error:
            raise PackError("it is damaged, or something was added to it", why=str(error)) from error


@contextmanager
def opened(file: Path, wanted: Wanted) -> Iterator[Reader]:
    """Open a pack and check its index. Raises PackError, with `where`, for what isn't one that can be used here."""
    try:
        with _regular(file).open("rb") as raw:
            _require_compressed(raw)
            with decompressing(raw) as stream:
                reader = Reader(stream)
                checks.require_wanted(reader.index, wanted)
                checks.require_sound(reader.index.entries)
                checks.require_whole(reader.index.entries)
                checks.require_images(reader.index, wanted)
                yield reader
    except PackError as error:
        error.where = error.where or str(file)
        raise


def _regular(file: Path) -> Path:
    if not file.is_file():
        what = "is no file" if file.exists() else "there is no such file"
        raise UsageError(what, where=str(file), remedy="name the file that was packed")
    return file


def _require_compressed(raw: IO[bytes]) -> None:
    begins = raw.read(members.BLOCK)
    raw.seek(0)
    if not begins.startswith(MAGIC):
        raise PackError(f"it isn't a pack of programs, but {_described(begins)}")


def _described(begins: bytes) -> str:
    known = [name for magic, name in _MAGICS.items() if begins.startswith(magic)]
    if known:
        return known[0]
    if not begins:
        return "empty"
    return "a tar archive that isn't compressed" if _parsed(begins) else "something else: it isn't compressed by zstd"


def _parsed(block: bytes) -> tarfile.TarInfo | None:
    """What a header says; None where it is none."""
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
    except tarfile.HeaderError:
        return None


def _finish(path: Path, entry: Entry) -> None:
    """Make what has no content, and give everything its owner and mode; a folder gets its mode in the end."""
    if entry.kind == "link":
        path.symlink_to(entry.target)
    elif entry.kind == "device" and entry.device is not None:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(*entry.device))
    os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    if entry.kind in ("file", "device"):
        path.chmod(entry.mode)  # after the owner: a change of that takes the set-user bit away
