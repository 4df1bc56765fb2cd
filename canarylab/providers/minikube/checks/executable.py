"""For which processors a program is: read from its first bytes, since its name doesn't say."""

from __future__ import annotations

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
    magic, second = header[:4], header[4:8]
    if magic == _MACHO_64:
        found = [int.from_bytes(second, "little")]
    elif magic in _FAT:
        size, count = _FAT[magic], int.from_bytes(second, "big")
        starts = range(8, 8 + size * count, size) if count <= _MOST_IN_FAT else ()
        found = [int.from_bytes(header[start : start + 4], "big") for start in starts]
    else:
        elf = elf_architecture(header[:20])
        return (elf,) if elf else ()
    return tuple(_PROCESSORS[processor] for processor in found if processor in _PROCESSORS)
