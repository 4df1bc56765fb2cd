"""For which processors a program is: read from its first bytes, since its name doesn't say."""

from __future__ import annotations

import struct
from pathlib import Path

from canarylab.images.oci import elf_architecture

_HEAD_BYTES = 4096
_MACHO_64 = b"\xcf\xfa\xed\xfe"
"""Mach-O of 64 bits, little-endian (mach-o/loader.h, MH_MAGIC_64)."""
_FAT = {b"\xca\xfe\xba\xbe": 20, b"\xca\xfe\xba\xbf": 32}
"""A universal file, big-endian, with the size in bytes of the entry it has for each processor (mach-o/fat.h)."""
_MOST_IN_FAT = 30
"""Java's classes begin with the same four bytes; what follows there is a version number above this."""
_PROCESSORS = {0x01000007: "amd64", 0x0100000C: "arm64"}
"""CPU_TYPE_X86_64 and CPU_TYPE_ARM64 (mach/machine.h), as Go names them."""


def architectures(path: Path) -> tuple[str, ...]:
    """Of a program, links followed; () for a script and whatever else can't be known."""
    try:
        with path.resolve().open("rb") as file:
            return of_header(file.read(_HEAD_BYTES))
    except OSError:
        return ()


def of_header(header: bytes) -> tuple[str, ...]:
    """From the first bytes of a Mach-O, universal or ELF file."""
    magic = header[:4]
    if magic == _MACHO_64 and len(header) >= 8:  # noqa: PLR2004 - magic and processor
        return _named([struct.unpack_from("<I", header, 4)[0]])
    if magic in _FAT and len(header) >= 8:  # noqa: PLR2004 - magic and count
        return _named(_universal(header, _FAT[magic]))
    elf = elf_architecture(header[:20])
    return (elf,) if elf else ()


def _universal(header: bytes, size: int) -> list[int]:
    count = struct.unpack_from(">I", header, 4)[0]
    if count > _MOST_IN_FAT:
        return []
    starts = [8 + size * number for number in range(count)]
    return [struct.unpack_from(">I", header, start)[0] for start in starts if start + 4 <= len(header)]


def _named(processors: list[int]) -> tuple[str, ...]:
    return tuple(_PROCESSORS[processor] for processor in processors if processor in _PROCESSORS)
