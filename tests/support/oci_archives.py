"""Tiny OCI archives, as `buildah push oci-archive:` writes them."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AMD64, ARM64, RISCV64 = 62, 183, 243
"""e_machine of the ELF header."""

Layer = Mapping[str, bytes | str]
"""Files by path: their content, or as text where a symbolic link leads to."""


def elf(machine: int, *, big_endian: bool = False) -> bytes:
    """The header of a program, and a bit more."""
    order, data = (">", 2) if big_endian else ("<", 1)
    return b"\x7fELF" + bytes([2, data, 1]) + bytes(9) + struct.pack(f"{order}HH", 2, machine) + bytes(44)


def archive(
    file: Path,
    *layers: Layer,
    architecture: str = "amd64",
    entrypoint: list[str] | None = None,
    command: list[str] | None = None,
    labels: Mapping[str, str] | None = None,
    index: bool = False,
    compression: str = "",
) -> Path:
    """Write an archive with one image. With `index`, an index of platforms stands between the archive and the image."""
    blobs: dict[str, bytes] = {}

    def blob(content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def document(content: Any, kind: str) -> dict[str, Any]:
        media_type = f"application/vnd.oci.image.{kind}.v1+json"
        return {"mediaType": media_type, **blob(json.dumps({"mediaType": media_type, **content}).encode())}

    container = {"Entrypoint": entrypoint, "Cmd": command, "Labels": dict(labels) if labels is not None else None}
    config = document({"architecture": architecture, "os": "linux", "config": container}, "config")
    unpacked = [blob(_tar(layer, compression)) for layer in layers]
    image = document({"config": config, "layers": unpacked}, "manifest")
    top = document({"manifests": [image]}, "index") if index else image
    whole = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps({"manifests": [top]}).encode()}
    file.write_bytes(_tar({**whole, **blobs}))
    return file


def _tar(files: Layer, compression: str = "") -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode=f"w:{compression}") as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return written.getvalue()
