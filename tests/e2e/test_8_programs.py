"""The programs of the benchmarks and pictures that need a cluster which is up, in their short form."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from tool import REPOSITORY, Ended, Tool


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
