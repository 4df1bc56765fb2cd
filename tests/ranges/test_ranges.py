"""The dependencies' declared ranges hold at both ends. It installs packages, so it runs where it is asked for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_CHECK = Path(__file__).resolve().parents[2] / "requirements" / "ranges.py"
LOCK = _CHECK.with_name("lock.txt")


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


@pytest.mark.ranges
def test_the_lock_can_be_written_anew(tmp_path: Path) -> None:
    """By a copy of requirements/refresh.py: the repository's own lock stays what was tested."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the lock is made by the lowest Python")
    (tmp_path / "requirements").mkdir()
    for name in ("pyproject.toml", "requirements/refresh.py"):
        shutil.copy(_CHECK.parents[1] / name, tmp_path / name)
    subprocess.run([sys.executable, "requirements/refresh.py"], cwd=tmp_path, check=True)
    written = (tmp_path / "requirements" / "lock.txt").read_text()
    locked = {line.partition("==")[0] for line in LOCK.read_text().splitlines()}
    assert len({line.partition("==")[0] for line in written.splitlines()} & locked) > len(locked) / 2
