"""Zstandard as Python 3.14 has it (PEP 784); before that by its backport, which has the same interface."""

from __future__ import annotations

import sys
from typing import IO

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, DecompressionParameter, ZstdError, ZstdFile
else:
    from backports.zstd import CompressionParameter, DecompressionParameter, ZstdError, ZstdFile

__all__ = ["MAGIC", "ZstdError", "ZstdFile", "compressing", "decompressing"]

MAGIC = b"\x28\xb5\x2f\xfd"
"""What a Zstandard frame begins with (RFC 8878, section 3.1.1)."""

_WINDOW_LOG = 27
"""Programs that lie up to 128 MiB apart share what they have in common; a reader needs as much memory."""


def compressing(raw: IO[bytes]) -> ZstdFile:
    """A file that compresses into `raw`. The number of workers is fixed: the same input makes the same bytes."""
    options: dict[int, int] = {
        CompressionParameter.compression_level: 9,
        CompressionParameter.enable_long_distance_matching: 1,
        CompressionParameter.window_log: _WINDOW_LOG,
        CompressionParameter.nb_workers: 2,
        CompressionParameter.checksum_flag: 1,
    }
    return ZstdFile(raw, "w", options=options)


def decompressing(raw: IO[bytes]) -> ZstdFile:
    """A file that decompresses `raw`; it refuses one that asks for more memory than ours do."""
    return ZstdFile(raw, "r", options={DecompressionParameter.window_log_max: _WINDOW_LOG})
