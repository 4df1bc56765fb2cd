from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from canarylab.cancel import Cancel
from canarylab.errors import CancelledError, CommandError, MachineError
from canarylab.tools.runner import Runner, tail

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def cancel():
    return Cancel()


@pytest.fixture
def run(cancel):
    def call(*argv, timeout=20.0, grace=5.0, **given):
        return Runner(cancel, grace=grace).run(argv, timeout=timeout, **given)

    return call


def shell(script):
    return ("sh", "-c", script)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid):
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(pid)


# -- output -----------------------------------------------------------------------------------------------------------


def test_both_streams_and_the_code_come_back(run):
    result = run(*shell("echo out; echo err >&2; exit 3"), ok=(0, 3))
    assert (result.stdout, result.stderr, result.code) == ("out\n", "err\n", 3)
    assert 0 <= result.seconds < 20


def test_words_are_not_split_nor_expanded(run):
    assert run("printf", "%s|", "a b", "$HOME", "*", "'", "").stdout == "a b|$HOME|*|'||"


def test_paths_are_words_too(run, tmp_path):
    assert run("echo", tmp_path).stdout == f"{tmp_path}\n"


def test_nothing_of_a_long_output_is_lost(run):
    assert len(run(*shell("yes | head -c 5000000")).stdout) == 5_000_000


def test_what_is_not_utf8_does_no_harm(run):
    lines: list[str] = []
    assert run("printf", r"a\n\377b\n", on_line=lines.append).stdout == "a\n\ufffdb\n"
    assert lines == ["a", "\ufffdb"]


def test_lines_come_while_the_program_still_runs(run, tmp_path):
    """The program ends only once its first line was seen."""
    seen = tmp_path / "seen"
    lines: list[str] = []

    def on_line(line):
        lines.append(line)
        seen.touch()

    run(*shell(f"echo first; until [ -e {seen} ]; do sleep 0.01; done; echo second >&2"), on_line=on_line)
    assert lines == ["first", "second"]


def test_who_listens_still_gets_the_whole_output_at_the_end(run):
    assert run(*shell("echo a; echo b"), on_line=lambda _: None).stdout == "a\nb\n"


def test_an_error_in_a_listener_comes_out_at_the_caller_once_the_program_has_ended(run, tmp_path):
    def on_line(_line):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(*shell(f"yes | head -c 200000; touch {tmp_path}/ended"), on_line=on_line)
    assert (tmp_path / "ended").exists()


def test_standard_input_is_what_was_given_or_nothing(run):
    assert run("cat", stdin="äöü\n").stdout == "äöü\n"
    assert run("cat").stdout == ""


def test_a_program_has_no_terminal(run):
    assert run(*shell("test -t 1 || test -t 0"), ok=(0, 1)).code == 1


# -- surroundings -----------------------------------------------------------------------------------------------------


def test_the_environment_is_a_copy_with_something_laid_over(run, monkeypatch):
    monkeypatch.setenv("CANARYLAB_BELOW", "below")
    before = dict(os.environ)
    script = shell('echo "$CANARYLAB_BELOW $CANARYLAB_ABOVE"')
    assert run(*script, env={"CANARYLAB_ABOVE": "above"}).stdout == "below above\n"
    assert run(*script, env={"CANARYLAB_BELOW": "over"}).stdout == "over \n"
    assert dict(os.environ) == before


def test_it_runs_in_the_folder_that_is_given(run, tmp_path):
    assert run("pwd", cwd=tmp_path).stdout == f"{tmp_path}\n"
    assert run("pwd").stdout == f"{Path.cwd()}\n"


# -- failures ---------------------------------------------------------------------------------------------------------


def test_a_failure_has_a_command_line_to_paste_the_code_and_the_last_words(run):
    with pytest.raises(CommandError) as caught:
        run("sh", "-c", "seq 100 >&2; exit 7")
    assert caught.value.code == 7
    assert caught.value.command == "sh -c 'seq 100 >&2; exit 7'"
    assert caught.value.tail.splitlines() == [str(number) for number in range(81, 101)]
    assert "command: sh -c 'seq 100 >&2; exit 7'" in str(caught.value)


def test_without_stderr_the_tail_is_that_of_stdout(run):
    with pytest.raises(CommandError) as caught:
        run(*shell("echo on the wrong stream; exit 1"))
    assert caught.value.tail == "on the wrong stream"


def test_a_program_that_was_killed_has_failed(run):
    with pytest.raises(CommandError) as caught:
        run(*shell("kill -9 $$"))
    assert caught.value.code == -9


def test_a_missing_program_is_a_finding_about_the_machine(run):
    with pytest.raises(MachineError, match=r"^no-such-program ") as caught:
        run("no-such-program", "x")
    assert "invoke doctor" in str(caught.value)


def test_a_program_of_another_architecture_is_a_finding_about_the_machine(run, tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF of nowhere")
    program.chmod(0o755)
    with pytest.raises(MachineError, match="Exec format error") as caught:
        run(program)
    assert str(program) in str(caught.value)


# -- ends -------------------------------------------------------------------------------------------------------------


def test_at_the_timeout_the_program_is_ended_and_that_is_reported(run):
    with pytest.raises(CommandError) as caught:
        run(*shell("echo started; sleep 30"), timeout=0.2)
    assert (caught.value.code, caught.value.tail) == (None, "started")


def test_its_children_end_with_it(run, tmp_path):
    note = tmp_path / "pid"
    with pytest.raises(CommandError):
        run(*shell(f"sleep 30 & echo $! > {note}; wait"), timeout=0.3)
    assert ends(int(note.read_text()))


def test_one_that_does_not_listen_is_killed(run):
    started = time.monotonic()
    with pytest.raises(CommandError) as caught:
        run(*shell("trap '' TERM; sleep 30; sleep 30"), timeout=0.2, grace=0.1)
    assert caught.value.code is None
    assert time.monotonic() - started < 10


def test_when_cancelled_the_program_ends_and_the_caller_hears_of_the_interruption(run, cancel):
    with pytest.raises(CancelledError):
        run(*shell("echo started; sleep 30"), on_line=lambda _: cancel.set())


def test_one_that_does_not_listen_is_killed_when_cancelled_too(run, cancel):
    with pytest.raises(CancelledError):
        run(*shell("trap '' TERM; echo started; sleep 30; sleep 30"), grace=0.1, on_line=lambda _: cancel.set())


def test_who_cancels_does_not_wait_for_programs(run, cancel):
    took: list[float] = []

    def on_line(_line):
        started = time.monotonic()
        cancel.set()
        took.append(time.monotonic() - started)

    with pytest.raises(CancelledError):
        run(*shell("trap 'exit 0' TERM; echo started; sleep 30 & wait"), on_line=on_line)
    assert took[0] < 1


def test_after_the_interruption_nothing_is_started_any_more(run, cancel, tmp_path):
    cancel.set()
    with pytest.raises(CancelledError):
        run("touch", tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_run_leaves_no_subscription_behind(run, cancel):
    run("true")
    assert not cancel._callbacks


def test_programs_run_side_by_side(run, tmp_path):
    """Each waits for what the other makes."""
    waits = "until [ -e {0}/{1} ]; do sleep 0.01; done"
    scripts = [f"touch {tmp_path}/{own}; " + waits.format(tmp_path, other) for own, other in ("ab", "ba")]
    threads = [threading.Thread(target=run, args=shell(script)) for script in scripts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process together with its parent")
def test_a_program_dies_with_the_tool(tmp_path):
    note = tmp_path / "pid"
    program = f"""
from canarylab.cancel import Cancel
from canarylab.tools.runner import Runner
Runner(Cancel()).run(["sh", "-c", "echo $$ > {note}.tmp; mv {note}.tmp {note}; exec sleep 60"], timeout=60)
"""
    tool = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 20
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    child = int(note.read_text())
    assert is_running(child)
    tool.send_signal(signal.SIGKILL)
    tool.wait()
    assert ends(child)


@pytest.mark.parametrize(
    ("text", "last"), [("", ""), ("a\n\n", "a"), ("a\nb\nc\n", "b\nc"), ("  a\nb", "a\nb"), ("\n\n", "")]
)
def test_the_tail_is_the_last_lines_that_say_something(text, last):
    assert tail(text, 2) == last


def test_a_program_does_not_outlive_a_wait_that_broke_off(cancel, tmp_path, monkeypatch):
    pid = tmp_path / "pid"

    def broken(*_args, **_kwargs):
        while not pid.exists() or not pid.read_text().strip():
            time.sleep(0.01)
        raise RuntimeError("broken off")

    import sh

    monkeypatch.setattr(sh.RunningCommand, "wait", broken)
    with pytest.raises(RuntimeError, match="broken off"):
        Runner(cancel, grace=0.1).run(shell(f"echo $$ > {pid}; exec sleep 1000"), timeout=60)
    deadline = time.monotonic() + 10
    while is_running(int(pid.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)
