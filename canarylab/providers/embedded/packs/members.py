"""How a pack is laid out: a tar archive of the index and then each content once, named after its digest.

There is one right header for each member, so that a reader needs to understand no other.
"""

from __future__ import annotations

import tarfile

INDEX = "index.json"
BLOCK = tarfile.BLOCKSIZE
END = b"\0" * (2 * BLOCK)
"""What ends a tar archive."""


def content_name(sha256: str) -> str:
    """The member that has the content of this digest."""
    return f"sha256/{sha256}"


def header(name: str, size: int) -> bytes:
    """The block before a member's bytes."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.USTAR_FORMAT)


def padding(size: int) -> bytes:
    """What fills a member's last block."""
    return b"\0" * (-size % BLOCK)
