"""The index of a pack: what it was built from, what is in it, and every file with its digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

FORMAT = "canarylab programs 1"
"""What an index begins with; the number goes up when an older reader couldn't read it."""

BUILD, IMAGES = "build", "images"
"""The two folders of a pack: what lies in the cache's `node/DIGEST`, and the archives of the demonstrations' images."""

_Id = Annotated[int, Field(ge=0, le=0xFFFF)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Component(_Strict):
    """A package, a module or a program that something in the pack is made of."""

    kind: Literal["Debian package", "Go module", "program"]
    name: str
    version: str
    licence: str = ""
    """Its name, where that is known without reading the text."""
    texts: tuple[str, ...] = ()
    """The files of the pack with its licence and notices."""


class Entry(_Strict):
    """One file, folder, symbolic link or device. Times aren't kept: they differ from build to build."""

    path: str
    kind: Literal["folder", "file", "link", "device"]
    mode: Annotated[int, Field(ge=0, le=0o7777)] = 0
    uid: _Id = 0
    gid: _Id = 0
    size: Annotated[int, Field(ge=0)] = 0
    sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    target: str = ""
    device: tuple[int, int] | None = None
    """Major and minor number, of a character device."""


class Index(_Strict):
    """What a pack says of itself, read before anything else of it."""

    format: str
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of everything that the programs are built from, the architecture included."""
    platform: Annotated[str, Field(pattern="^linux/[a-z0-9_]+$")]
    """Such as linux/amd64."""
    versions: dict[str, str]
    components: tuple[Component, ...]
    entries: tuple[Entry, ...]
    """Sorted by the parts of their paths: a folder comes before what is in it."""

    @property
    def size(self) -> int:
        """Bytes of all files, unpacked."""
        return sum(entry.size for entry in self.entries)

    def contents(self) -> dict[str, int]:
        """SHA-256 of each content and its size, in the order in which the pack has them: each once."""
        return {entry.sha256: entry.size for entry in self.entries if entry.kind == "file"}

    def images(self) -> list[str]:
        """The paths of the images' archives."""
        return [entry.path for entry in self.entries if entry.kind == "file" and entry.path.startswith(f"{IMAGES}/")]

    def to_bytes(self) -> bytes:
        """As JSON, the same bytes for the same index."""
        return self.model_dump_json(exclude_defaults=True).encode()


COMPONENTS: TypeAdapter[tuple[Component, ...]] = TypeAdapter(tuple[Component, ...])
"""Reads and writes the list of components in the build's folder."""


@dataclass(frozen=True)
class Wanted:
    """What a pack must be of, to be of use to this checkout on this machine."""

    digest: str
    platform: str
    images: frozenset[str]
    """The paths of the archives that the playbooks' demonstrations ask for."""
