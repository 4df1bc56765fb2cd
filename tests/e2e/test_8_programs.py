"""The node's programs as one file; the programs of benchmarks and pictures that need a cluster, in their short form."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from tool import REPOSITORY, Ended, Tool

from canarylab.cancel import Cancel
from canarylab.providers.embedded.packs.index import Entry
from canarylab.providers.embedded.packs.writing import inventory

_MOST_PACKED = 500_000_000
"""Bytes."""


def _program(tool: Tool, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, *words]
    return subprocess.run(argv, cwd=REPOSITORY, env=tool.env, capture_output=True, text=True, check=False, timeout=300)


def test_a_demonstration_is_timed(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001
    done = _program(tool, "benchmarks/demos.py", "--short", "rolling-update", "--profile", tool.profile)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| rolling-update         | passed |")


def test_its_waits_are_noted(first_up: Ended, tool: Tool, tmp_path: Path) -> None:  # noqa: ARG001
    notes = tmp_path / "notes"
    flags = ("--playbook", "rolling-update", "--profile", tool.profile)
    done = _program(tool, "benchmarks/waits.py", str(notes), *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    late = [json.loads(line)["late"] for line in notes.read_text().splitlines()]
    assert late, "it waited for something"


def test_the_live_view_is_drawn(first_up: Ended, tool: Tool, tmp_path: Path) -> None:  # noqa: ARG001
    picture = tmp_path / "watch.svg"
    argv = [sys.executable, "docs/watch_picture.py", "rollouts-demo", str(picture), "--profile", tool.profile]
    with subprocess.Popen(argv, cwd=REPOSITORY, env=tool.env, stderr=subprocess.PIPE, text=True) as watching:
        time.sleep(10.0)  # it says nothing until Ctrl-C
        watching.send_signal(signal.SIGINT)
        said = watching.communicate(timeout=60)[1]
    assert picture.exists(), said
    assert picture.read_text().startswith("<svg")


def _entries(build: Path) -> list[Entry]:
    return [found.entry for found in inventory(build, "build", Cancel())]


def test_the_real_build_is_packed_and_comes_out_as_it_was_in_an_empty_cache(
    programs: Path, kubeconfig: Path, tmp_path: Path
) -> None:
    """Contents, links, devices, modes and owners of every file, without a cluster: half a minute to a minute."""
    file, cache = tmp_path / "programs.pack", tmp_path / "cache"
    packed = Tool("e2e-pack", kubeconfig).text("programs", "pack", str(file))
    assert packed.returncode == 0, packed.stdout + packed.stderr
    assert file.stat().st_size <= _MOST_PACKED
    there = Tool("e2e-pack", kubeconfig, {"XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(tmp_path / "state")})
    unpacked = there.text("programs", "unpack", str(file))
    assert unpacked.returncode == 0, unpacked.stdout + unpacked.stderr
    assert _entries(cache / "canarylab" / "node" / programs.name) == _entries(programs)
    assert there.json("programs")["complete"]
    assert all(there.json("programs")["images"].values())
