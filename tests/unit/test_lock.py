from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from canarylab.cancel import Cancel
from canarylab.errors import EXIT_LOCKED, CancelledError, LockedError
from canarylab.lock import locked, queued

HOLDER = """
import sys, time
from pathlib import Path
from canarylab.lock import locked
with locked(Path(sys.argv[1]), "up"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "demo.lock"


@pytest.fixture
def holder(path):
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_who_holds_it_and_since_when_is_told_to_the_second_run(path, holder):
    since = time.strftime("%H:%M", time.localtime(path.stat().st_mtime))
    with pytest.raises(LockedError) as caught, locked(path, "demo"):
        pass
    assert f"`invoke up` (process {holder.pid}) since {since}" in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == EXIT_LOCKED


def test_a_refused_run_leaves_the_holder_its_lock(path, holder):
    for _ in range(2):
        with pytest.raises(LockedError, match=str(holder.pid)), locked(path, "demo"):
            pass
    assert json.loads(path.read_text())["pid"] == holder.pid


def test_the_lock_of_a_holder_that_was_killed_is_taken_over_at_once(path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert path.exists()
    with locked(path, "teardown"):
        assert json.loads(path.read_text()) | {"since": 0} == {"pid": os.getpid(), "command": "teardown", "since": 0}


def test_afterwards_nothing_is_left_and_it_can_be_had_again(path):
    for _ in range(2):
        with locked(path, "up"):
            assert path.exists()
        assert not path.exists()


def test_it_is_let_go_when_the_work_fails(path):
    with pytest.raises(ZeroDivisionError), locked(path, "up"):
        raise ZeroDivisionError
    with locked(path, "up"):
        pass


def test_one_that_has_only_just_been_taken_is_refused_too(path):
    path.parent.mkdir()
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockedError) as caught, locked(path, "up"):
            pytest.fail("two have it")
        assert caught.value.where == str(path)
        assert "process" not in caught.value.what, "who has it isn't written there yet"


def test_a_file_that_was_deleted_while_it_was_being_locked_is_not_the_lock(path, monkeypatch):
    """The former holder deletes the file between another's opening and locking it."""
    really = fcntl.flock
    deleted: list[int] = []

    def flock(file, operation):
        really(file, operation)
        if not deleted:
            deleted.append(path.unlink())

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(path, "up"):
        assert deleted
        with pytest.raises(LockedError), locked(path, "demo"):
            pass


@pytest.mark.timeout(60)
def test_of_many_that_race_for_it_only_one_is_inside_at_a_time(path):
    inside, most, errors = [], [], []

    def race():
        for _ in range(60):
            try:
                with locked(path, "up"):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except LockedError:
                pass
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert set(most) == {1}


@pytest.fixture
def refusing(monkeypatch):
    """Have the kernel refuse to make files, or to write to them, for want of room or on a read-only disk."""

    def refuse(number, *, make):
        really = os.open

        def opened(path, flags, *rest):
            if make and flags & os.O_CREAT:
                raise OSError(number, os.strerror(number), str(path))
            return really(path, flags, *rest)

        def written(_descriptor, _data):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "open", opened)
        monkeypatch.setattr(os, "write", written)

    return refuse


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("make", [True, False])
def test_it_is_had_without_a_free_byte_and_keeps_others_out(path, refusing, number, make):
    refusing(number, make=make)
    for _ in range(2):
        with locked(path, "teardown"), pytest.raises(LockedError) as caught, locked(path, "up"):
            pytest.fail("two have it")
        assert "process" not in caught.value.what, "there was no room to write who has it"
    assert not path.exists()


def test_where_its_user_may_not_make_it_that_is_an_error(path, refusing):
    refusing(errno.EACCES, make=True)
    with pytest.raises(PermissionError), locked(path, "up"):
        pass


# -- a lock that is queued for ----------------------------------------------------------------------------------------


def test_one_that_is_free_is_had_without_waiting(path):
    for _ in range(2):
        with queued(path, Cancel(), lambda: pytest.fail("it was free")):
            assert path.exists()


class Hurried(Cancel):
    """Looks at once again, for as long as another thread holds the lock."""

    def sleep(self, _seconds):
        time.sleep(0.001)


def test_one_that_is_held_is_waited_for_and_that_is_reported_once(path):
    told, order = threading.Event(), []

    def second():
        with queued(path, Hurried(), lambda: (order.append("waits"), told.set())):
            order.append("second")

    with queued(path, Cancel(), lambda: None):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(10)
        order.append("first is done")
    thread.join(10)
    assert order == ["waits", "first is done", "second"]


def test_the_wait_can_be_interrupted(path):
    cancel = Cancel()
    with (
        queued(path, Cancel(), lambda: None),
        pytest.raises(CancelledError),
        queued(path, cancel, cancel.set),
    ):
        pytest.fail("it was held")
