"""The real supervisord, as whoever runs the tests, in a folder of the test."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socketserver
import stat
import subprocess
import sys
import threading
import time
import xmlrpc.client
from pathlib import Path

import pytest
from support.fake_time import FakeTime

from canarylab.cancel import Cancel
from canarylab.errors import StageError
from canarylab.tools import supervisord
from canarylab.tools.runner import Runner
from canarylab.tools.supervisord import Program, Supervisor, _alive, unfit

pytestmark = [pytest.mark.timeout(60), pytest.mark.skipif(sys.platform != "linux", reason="only Linux needs it")]

SLEEP = Program("sleeper", ["sleep", "1000"], stop_seconds=1)
"""It hears SIGTERM at once, but between fork and exec it is still a copy of supervisord, which doesn't: see `runs`."""


def supervisor_in(folder, profile="unit-test"):
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    return Supervisor(profile, folder, Runner(Cancel()))


@pytest.fixture
def supervisor(isolated_home):
    made = supervisor_in(isolated_home / "s")
    yield made
    made.shutdown(Cancel())


def until(ready):
    deadline = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def runs(supervisor, *words):
    """Wait until the program is what these words say: between fork and exec it is still supervisord's copy."""
    until(lambda: (pid := supervisor.process("sleeper")) and command_line(pid) == list(words))


def command_line(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]


# -- programs ---------------------------------------------------------------------------------------------------------


def test_a_program_is_started_under_a_supervisor_that_left_the_terminal(supervisor):
    assert supervisor.pid() is None
    supervisor.start(SLEEP, Cancel())
    runs(supervisor, "sleep", "1000")
    assert os.getsid(supervisor.pid()) != os.getsid(0)
    assert stat.S_IMODE(supervisor.socket.stat().st_mode) == 0o600


def test_starting_what_runs_changes_nothing(supervisor):
    supervisor.start(SLEEP, Cancel())
    before = supervisor.pid(), supervisor.process("sleeper")
    supervisor.start(SLEEP, Cancel())
    assert (supervisor.pid(), supervisor.process("sleeper")) == before


def test_a_program_that_is_killed_comes_back(supervisor):
    supervisor.start(SLEEP, Cancel())
    until(lambda: supervisor._rpc.getProcessInfo("sleeper")["statename"] == "RUNNING")
    first = supervisor.process("sleeper")
    os.kill(first, signal.SIGKILL)
    until(lambda: supervisor.process("sleeper") not in (None, first))
    runs(supervisor, "sleep", "1000")


def test_words_and_environment_arrive_as_they_are(supervisor, tmp_path):
    out = tmp_path / "out"
    script = 'printf "%s\\n" "$0" "$1" "$STRANGE" > "$OUT.tmp"; mv "$OUT.tmp" "$OUT"; exec sleep 1000'
    value = "100% of $it; a, b and c = d"
    word = f"a \"quoted\" 'word' \\ and {value}"
    program = Program("odd", ["sh", "-c", script, "zero", word], {"OUT": str(out), "STRANGE": value})
    supervisor.start(program, Cancel())
    until(out.exists)
    assert out.read_text().splitlines() == ["zero", word, value]


ODD = ["a b", "100% of %(x)s", 'it\'s "q"', "a;b#c", "a, b: c=d\\e", "\u00fcn\u00ef", "[x]"]


@pytest.mark.parametrize("name", ODD)
def test_its_folder_may_have_any_name_that_people_give(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp() / name
    odd = supervisor_in(folder)
    assert unfit(folder) == ""
    try:
        odd.start(SLEEP, Cancel())
        assert odd.log("sleeper").exists()
    finally:
        odd.shutdown(Cancel())
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["a ;b", "a #b", "a\nb", "x" * 90])
def test_a_folder_whose_name_it_cannot_have_is_told(name):
    assert unfit(Path("/home") / name)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_program_is_stopped_although_there_is_no_room_to_write_that_down(supervisor, monkeypatch, number):
    supervisor.start(SLEEP, Cancel())
    pid = supervisor.process("sleeper")

    def no_room(_path, _content):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(supervisord, "write_private", no_room)
    assert supervisor.stop("sleeper")
    assert not _alive(pid)
    assert supervisor.process("sleeper") is None


def test_a_changed_definition_replaces_the_running_one(supervisor):
    supervisor.start(SLEEP, Cancel())
    first = supervisor.pid()
    supervisor.start(Program("sleeper", ["sleep", "2000"]), Cancel())
    runs(supervisor, "sleep", "2000")
    assert supervisor.pid() == first


def test_a_definition_that_a_killed_run_had_only_written_down_is_taken_up(supervisor):
    supervisor.start(SLEEP, Cancel())
    newer = Program("sleeper", ["sleep", "2000"])
    written = supervisor._read()
    written["program:sleeper"] = supervisor._section(newer)
    supervisor._write(written)
    supervisor.start(newer, Cancel())
    runs(supervisor, "sleep", "2000")


def test_a_second_program_does_not_disturb_the_first(supervisor):
    supervisor.start(SLEEP, Cancel())
    before = supervisor.process("sleeper")
    supervisor.start(Program("other", ["sleep", "3000"]), Cancel())
    assert supervisor.process("sleeper") == before
    assert supervisor.is_running("other")


def test_what_was_stopped_stays_stopped_and_the_rest_runs_on(supervisor):
    supervisor.start(SLEEP, Cancel())
    supervisor.start(Program("other", ["sleep", "3000"]), Cancel())
    pid = supervisor.process("sleeper")
    assert supervisor.stop("sleeper")
    assert not _alive(pid)
    assert not supervisor.is_running("sleeper")
    assert supervisor.is_running("other")
    assert not supervisor.stop("sleeper")


def test_what_was_stopped_can_be_started_again(supervisor):
    supervisor.start(SLEEP, Cancel())
    supervisor.stop("sleeper")
    supervisor.start(SLEEP, Cancel())
    assert supervisor.is_running("sleeper")


def test_a_program_that_cannot_be_started_is_reported_with_its_log(supervisor):
    supervisor.start(SLEEP, Cancel())  # with all its time: supervisord itself may be slow to come
    with pytest.raises(StageError) as caught:
        supervisor.start(Program("none", ["/no/such/program"]), FakeTime(tick=0.2))
    assert "none doesn't stay up" in str(caught.value)
    assert str(supervisor.log("none")) in str(caught.value)


def test_what_a_program_prints_is_in_its_log(supervisor):
    supervisor.start(Program("talker", ["sh", "-c", "echo out; echo err >&2; exec sleep 1000"]), Cancel())
    until(lambda: supervisor.log("talker").exists() and supervisor.log("talker").read_text() == "out\nerr\n")


# -- the supervisor itself --------------------------------------------------------------------------------------------


def test_shutdown_ends_the_supervisor_and_everything_under_it(supervisor):
    supervisor.start(SLEEP, Cancel())
    pids = [supervisor.pid(), supervisor.process("sleeper")]
    assert supervisor.shutdown(Cancel())
    assert not any(map(_alive, pids))
    assert supervisor.pid() is None
    assert not supervisor.shutdown(Cancel())


def test_a_supervisor_that_was_killed_is_replaced_by_one_with_the_same_programs(supervisor):
    supervisor.start(SLEEP, Cancel())
    orphan = supervisor.process("sleeper")
    os.kill(supervisor.pid(), signal.SIGKILL)
    until(lambda: supervisor.pid() is None)
    assert supervisor.process("sleeper") is None
    supervisor.start(SLEEP, Cancel())
    assert supervisor.process("sleeper") not in (None, orphan)
    os.kill(orphan, signal.SIGKILL)  # the provider's programs die with their supervisor; this one was not told to


def test_one_whose_folder_was_deleted_by_hand_is_ended_all_the_same(supervisor):
    supervisor.start(SLEEP, Cancel())
    pid = supervisor.pid()
    supervised = supervisor.process("sleeper")
    supervisor.socket.unlink()
    assert supervisor.shutdown(Cancel())
    until(lambda: not _alive(pid))
    os.kill(supervised, signal.SIGKILL)


def test_profiles_have_supervisors_of_their_own(supervisor, isolated_home):
    other = supervisor_in(isolated_home / "o", "other")
    supervisor.start(SLEEP, Cancel())
    other.start(SLEEP, Cancel())
    assert supervisor.process("sleeper") != other.process("sleeper")
    other.shutdown(Cancel())
    assert supervisor.is_running("sleeper")


# -- trust ------------------------------------------------------------------------------------------------------------


class Foreign:
    """Somebody else who listens on the supervisor's socket and answers every request the same."""

    def __init__(self, socket: Path, answer: bytes) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.recv(65536)
                self.request.sendall(answer)

        self.server = socketserver.ThreadingUnixStreamServer(str(socket), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def http(body):
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not HTTP at all\n",
        b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
        http(b"<html>no XML-RPC"),
        http(b""),
        http(xmlrpc.client.dumps(("canarylab-other",), methodresponse=True).encode()),
        http(xmlrpc.client.dumps((4711,), methodresponse=True).encode()),
        http(xmlrpc.client.dumps(xmlrpc.client.Fault(1, "UNKNOWN_METHOD")).encode()),
    ],
)
def test_who_does_not_answer_under_our_name_is_not_ours(isolated_home, answer):
    supervisor = supervisor_in(isolated_home / "s")
    foreign = Foreign(supervisor.socket, answer)
    assert supervisor.pid() is None
    assert supervisor.process("sleeper") is None
    assert not supervisor.shutdown(Cancel())
    foreign.close()


def test_a_supervisor_of_another_profile_on_our_socket_is_left_alone(supervisor, isolated_home):
    other = supervisor_in(isolated_home / "o", "other")
    other.start(SLEEP, Cancel())
    supervisor.socket.symlink_to(other.socket)
    assert supervisor.pid() is None
    assert not supervisor.is_running("sleeper")
    assert not supervisor.shutdown(Cancel())
    supervisor.start(SLEEP, Cancel())
    assert other.is_running("sleeper")
    other.shutdown(Cancel())


def test_a_socket_that_nobody_listens_on_is_replaced(supervisor):
    supervisor.socket.touch()
    assert supervisor.pid() is None
    supervisor.start(SLEEP, Cancel())
    assert supervisor.is_running("sleeper")


def test_none_is_started_beside_one_that_may_run_and_cannot_be_asked(isolated_home, monkeypatch):
    """This process has no file left to open, for instance: that says nothing about the supervisor."""
    supervisor = supervisor_in(isolated_home / "s")

    def refuse(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(Supervisor, "_rpc", property(refuse))
    monkeypatch.setattr(supervisor, "_runner", None)  # whatever is started fails
    with pytest.raises(StageError, match="a supervisord of this profile may still run"):
        supervisor.start(SLEEP, FakeTime(tick=1))


def test_one_that_is_ending_is_waited_for_before_another_is_started(supervisor):
    """It ends its programs first, and its tunnel or its machine holds what the next one needs."""
    script = "trap 'sleep 1; exit 0' TERM; sleep 1000 & wait"
    slow = Program("sleeper", ["sh", "-c", script], stop_seconds=10)
    supervisor.start(slow, Cancel())
    runs(supervisor, "sh", "-c", script)
    first = supervisor.process("sleeper")
    supervisor._rpc.shutdown()
    supervisor.start(SLEEP, Cancel())
    assert not _alive(first)
    assert supervisor.is_running("sleeper")


def test_one_whose_socket_is_gone_is_ended_before_another_is_started(supervisor):
    supervisor.start(SLEEP, Cancel())
    former, supervised = supervisor.pid(), supervisor.process("sleeper")
    supervisor.socket.unlink()
    supervisor.start(SLEEP, Cancel())
    until(lambda: not _alive(former))
    assert supervisor.pid() != former
    os.kill(supervised, signal.SIGKILL)  # the provider's programs die with their supervisor; this one was not told to


def test_a_process_that_ended_but_was_not_reaped_counts_as_ended():
    child = subprocess.Popen(["true"])
    until(lambda: Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "Z")
    assert not _alive(child.pid)
    child.wait()
    assert not _alive(child.pid)
    assert _alive(os.getpid())
