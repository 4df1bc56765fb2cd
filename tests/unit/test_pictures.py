"""docs/picture.py draws a recorded run."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from report_samples import failed_up

from canarylab.report.json_lines import JsonLines

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_recorded_run_becomes_a_picture(tmp_path: Path) -> None:
    lines = io.StringIO()
    with JsonLines(lines) as report:
        for event in failed_up():
            report(event)
    recording, picture = tmp_path / "up.jsonl", tmp_path / "up.svg"
    recording.write_text(lines.getvalue())
    argv = [sys.executable, str(REPOSITORY / "docs/picture.py"), str(recording), str(picture)]
    subprocess.run(argv, cwd=REPOSITORY, check=True, timeout=60)
    drawn = picture.read_text()
    assert drawn.startswith("<svg")
    assert "rollouts-demo-vsvc1" in drawn
