"""What is in an index and mustn't be: each rule refuses with what is wrong. The same rules hold for what is packed."""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from canarylab.errors import CanarylabError
from canarylab.providers.embedded.packs.index import BUILD, FORMAT, IMAGES, Entry, Index, Wanted

MOST_BYTES = 4 << 30
"""A build has 1.4 GiB; an index that names more than this isn't of one."""
_MOST_ENTRIES = 100_000
_PARTS = ("argo-rollouts.json", "bin", "charts", "gateway-api.json", "licences", "node", "store")
"""What a build consists of."""

_ROOT = re.compile(rf"{BUILD}/(?:node|store/io\.containerd\.snapshotter\.v1\.overlayfs/snapshots/\d+/fs)(?=/)")
"""Folders that become the root of a machine or of a container."""
_DEVICES = {
    "console": (5, 1),
    "full": (1, 7),
    "null": (1, 3),
    "ptmx": (5, 2),
    "random": (1, 8),
    "tty": (5, 0),
    "urandom": (1, 9),
    "zero": (1, 5),
}
"""What mmdebstrap makes in a root's /dev, with the kernel's numbers (Documentation/admin-guide/devices.txt)."""
_SET_USER = ("usr/bin/mount", "usr/bin/newgrp", "usr/bin/su", "usr/bin/umount")
"""The programs of the roots' Debian packages that run as root whoever starts them."""
_LINKS_FROM = re.compile(r"(?:usr/.+|dev/[^/]+|etc/alternatives/[^/]+|etc/(?:rmt|mtab|localtime))")
_LINKS_TO = re.compile(r"/(?:usr|bin|sbin|lib|lib64|etc/alternatives|proc/self|proc/mounts)(?:/.*)?")
"""Absolute links are of the root that they are in. These lie where this tool never writes from outside of it."""


class PackError(CanarylabError):
    """A file that isn't a pack of programs, or not one that can be used here."""

    otherwise = "nothing was changed; get the file again from whoever packed it, and compare its SHA-256 with theirs"


def shown(text: str) -> str:
    """A name out of a file that nobody vouches for, without what a terminal would obey."""
    return text if text.isprintable() else ascii(text)


def parsed(raw: bytes) -> Index:
    """The index of these bytes. Raises PackError where they aren't one."""
    try:
        index = Index.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = shown(".".join(map(str, first["loc"])))
        raise PackError("its index isn't one that this tool writes", why=f"{where}: {first['msg']}") from error
    if index.format != FORMAT:
        what = f"it was written by another version of this tool: its format is {index.format!r}, not {FORMAT!r}"
        raise PackError(what, remedy="pack and unpack with the same version of this tool")
    return index


def require_wanted(index: Index, wanted: Wanted) -> None:
    """Raise unless it was made for this machine's architecture, from what this checkout would build from."""
    if index.platform != wanted.platform:
        raise PackError(
            f"it is for {index.platform}, and this machine is {wanted.platform}",
            remedy=f"pack on a {wanted.platform} machine",
        )
    if index.digest != wanted.digest:
        raise PackError(
            "it was built from other sources than this checkout's",
            why=f"its digest is {index.digest[:16]}, this checkout's is {wanted.digest[:16]}",
            remedy="check out the same commit here and where it is packed",
        )


def require_images(index: Index, wanted: Wanted) -> None:
    """Raise where it has an image of something else than this checkout's playbooks ask for."""
    if odd := sorted(set(index.images()) - wanted.images):
        raise PackError(
            "it has images that this checkout's playbooks don't ask for",
            why=f"these are built from other sources, or for another playbook: {', '.join(odd)}",
            remedy="check out the same commit here and where it is packed; or give --playbook as it was packed with",
        )


def require_sound(entries: Iterable[Entry]) -> None:
    """Raise unless all of it lies inside, in order, each once, and is nothing that doesn't belong into a build."""
    folders: set[str] = set()
    sizes: dict[str, int] = {}
    before: list[str] = []
    size = count = 0
    for entry in entries:
        _require_path(entry.path)
        parts = entry.path.split("/")
        if parts == before:
            raise PackError(f"its index has {entry.path} twice")
        if parts < before:
            raise PackError(f"its index isn't sorted: {entry.path} comes too late")
        if len(parts) > 1 and posixpath.dirname(entry.path) not in folders:
            raise PackError(f"its index has {entry.path}, which is in no folder of it")
        _require_kind(entry)
        if sizes.setdefault(entry.sha256, entry.size) != entry.size:
            raise PackError(f"its index gives {entry.path} another size than a file of the same digest")
        before, size, count = parts, size + entry.size, count + 1
        if entry.kind == "folder":
            folders.add(entry.path)
        if size > MOST_BYTES or count > _MOST_ENTRIES:
            raise PackError(
                f"its index names more than a build has: over {MOST_BYTES >> 30} GiB or {_MOST_ENTRIES:,} files"
            )


def require_whole(entries: Iterable[Entry]) -> None:
    """Raise where a part of a build is missing."""
    paths = {entry.path for entry in entries}
    if missing := [name for name in _PARTS if f"{BUILD}/{name}" not in paths]:
        raise PackError(f"it isn't a whole build: {', '.join(missing)} is missing")


def _require_path(path: str) -> None:
    parts = path.split("/")
    if not path.isprintable() or "\\" in path:
        raise PackError(f"its index has a path that is none: {shown(path)}")
    if path.startswith("/"):
        raise PackError(f"its index has an absolute path: {path}")
    if ".." in parts:
        raise PackError(f"its index has a path that leads out: {path}")
    if "" in parts or "." in parts:
        raise PackError(f"its index has a path that is none: {path!r}")
    is_part = parts[0] == BUILD and (len(parts) == 1 or parts[1] in _PARTS)
    if not (is_part or (parts[0] == IMAGES and len(parts) <= len((IMAGES, "folder", "file")))):
        raise PackError(f"its index has {path}, which is no part of a build")


def _require_kind(entry: Entry) -> None:
    if (entry.kind == "file") != bool(entry.sha256) or (entry.kind != "file" and entry.size):
        raise PackError(f"its index has no digest of the file {entry.path}, or one of what is no file")
    if (entry.kind == "link") != bool(entry.target) or (entry.kind == "device") != (entry.device is not None):
        raise PackError(f"its index says that {entry.path} is a {entry.kind}, and describes something else")
    root = _ROOT.match(entry.path)
    inside = entry.path[root.end() + 1 :] if root else ""
    _require_mode(entry, inside)
    if entry.kind == "link":
        _require_link(entry, root[0] if root else "/".join(entry.path.split("/")[:2]), inside)
    if entry.kind == "device" and (
        not inside.startswith("dev/") or _DEVICES.get(inside.removeprefix("dev/")) != entry.device
    ):
        major, minor = entry.device or (0, 0)
        raise PackError(f"it has a device where none belongs: {entry.path} ({major}:{minor})")


def _require_mode(entry: Entry, inside: str) -> None:
    sets_user = entry.kind == "file" and not entry.mode & stat.S_ISGID and inside in _SET_USER
    if entry.mode & (stat.S_ISUID | stat.S_ISGID) and not sets_user:
        raise PackError(f"it has a set-user or set-group bit where none belongs: {entry.path} ({entry.mode:o})")
    if entry.mode & stat.S_ISVTX and entry.kind != "folder":
        raise PackError(f"it has a mode that makes no sense: {entry.path} ({entry.mode:o})")


def _require_link(entry: Entry, bounds: str, inside: str) -> None:
    """A relative one stays within its root or part; an absolute one is one of those that Debian's packages have."""
    if not entry.target.isprintable() or entry.path.startswith(f"{IMAGES}/"):
        raise PackError(f"it has a link where none belongs: {entry.path}")
    if entry.target.startswith("/"):
        fine = _LINKS_FROM.fullmatch(inside) and _LINKS_TO.fullmatch(entry.target) and ".." not in entry.target
    else:
        ends = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), entry.target))
        fine = ends == bounds or ends.startswith(f"{bounds}/")
    if not fine:
        raise PackError(f"it has a link that leads out: {entry.path} -> {entry.target}")


def require_room(folder: Path, needed: int, free: int) -> None:
    """Raise where `folder` has fewer bytes free than are to be unpacked there."""
    if free < needed:
        raise PackError(
            f"there is no room for it: {needed / (1 << 30):.1f} GiB are needed, {free / (1 << 30):.1f} GiB are free",
            where=str(folder),
            remedy="free space there, or set XDG_CACHE_HOME to a larger disk",
        )
