from __future__ import annotations

import errno
import io
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from canarylab.errors import UsageError
from canarylab.report import choose
from canarylab.report.console_live import LiveConsole
from canarylab.report.console_plain import PlainConsole
from canarylab.report.json_lines import JsonLines
from canarylab.report.output import Output


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        yield stream
    os.close(ours)


def test_a_terminal_gets_the_live_view(terminal: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(choose("text", terminal), LiveConsole)


@pytest.mark.parametrize("kind", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(
    kind: str, terminal: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", kind)
    assert isinstance(choose("text", terminal), PlainConsole)


def test_a_pipe_gets_plain_lines() -> None:
    assert isinstance(choose("text", io.StringIO()), PlainConsole)


def test_json_is_json_even_on_a_terminal(terminal: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(choose("json", terminal), JsonLines)


def test_an_unknown_output_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"'yaml'\nnext: use --output text or --output json"):
        choose("yaml", io.StringIO())


@pytest.mark.parametrize("output", ["text", "json"])
def test_without_a_terminal_neither_rich_nor_pydantic_is_imported(output: str) -> None:
    program = f"""
import sys
from canarylab.report import choose, findings, receipt, status
from report_samples import demo, failed_up, plan
with choose({output!r}, sys.stdout) as report:
    for event in (*failed_up(), *demo(), *plan()):
        report(event)
receipt.show([], {output!r}, sys.stdout)
findings.show([], {output!r}, sys.stdout)
print(sorted({{"rich", "pydantic"}} & set(sys.modules)), file=sys.stderr)
"""
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": f"{here.parent.parent}:{here}"}
    run = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert run.stderr == "[]\n"


def test_what_found_no_room_comes_once_there_is_some(tmp_path):
    class Full(io.FileIO):
        is_full = True

        def write(self, data):  # type: ignore[override]
            if self.is_full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    raw = Full(tmp_path / "receipt", "w")
    output = Output(io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8"))
    output.write("first")
    raw.is_full = False
    output.write("second")
    assert (tmp_path / "receipt").read_text() == "first\nsecond\n"
