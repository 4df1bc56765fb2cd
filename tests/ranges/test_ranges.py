"""The dependencies' declared ranges hold at both ends. It installs packages, so it runs where it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_CHECK = Path(__file__).resolve().parents[2] / "requirements" / "ranges.py"


@pytest.mark.ranges
def test_the_fast_tests_pass_with_the_lowest_and_the_newest_versions() -> None:
    """Both at once: two processors are what CI has, and most of the time is one process each."""
    argv = [sys.executable, str(_CHECK)]
    running = {
        end: subprocess.Popen([*argv, end], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for end in ("lowest", "newest")
    }
    said = {end: process.communicate()[0] for end, process in running.items()}
    failed = {end: said[end][-5000:] for end, process in running.items() if process.returncode}
    assert not failed, "\n\n".join(failed.values())
