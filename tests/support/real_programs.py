"""The real kubectl and Helm, which tests hold our own reading against: those that were built on this machine."""

from __future__ import annotations

from pathlib import Path

from canarylab.paths import cache_home
from canarylab.providers.embedded.programs.built import built


def program(name: str) -> Path:
    """That of the present pins, else of earlier ones: it does as well. A path where nothing is, if none was built."""
    present = built().bin / name
    earlier = sorted(cache_home().glob(f"node/*/bin/{name}"), key=lambda path: path.stat().st_mtime)
    return present if present.exists() or not earlier else earlier[-1]
