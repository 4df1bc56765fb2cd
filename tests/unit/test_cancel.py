from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest
from support.fake_time import FakeTime

from canarylab.cancel import Cancel, wait_until
from canarylab.errors import EXIT_INTERRUPTED, CancelledError

SECONDS = 10


def test_until_it_is_set_nothing_is_raised():
    cancel = Cancel()
    cancel.check()
    cancel.sleep(0)
    assert not cancel.is_set


def test_once_set_every_check_raises_with_the_exit_code_of_an_interruption():
    cancel = Cancel()
    cancel.set()
    with pytest.raises(CancelledError) as caught:
        cancel.check()
    assert caught.value.exit_code == EXIT_INTERRUPTED


def test_who_sleeps_is_woken():
    cancel, woken = Cancel(), threading.Event()

    def sleeper():
        with pytest.raises(CancelledError):
            cancel.sleep(60)
        woken.set()

    threading.Thread(target=sleeper, daemon=True).start()
    cancel.set()
    assert woken.wait(SECONDS)


def test_subscribers_are_called_and_those_that_left_are_not():
    cancel, called = Cancel(), []
    cancel.subscribe(lambda: called.append("stays"))
    cancel.subscribe(lambda: called.append("leaves"))()
    cancel.set()
    assert called == ["stays"]


def test_who_subscribes_too_late_is_called_at_once():
    cancel, called = Cancel(), []
    cancel.set()
    cancel.subscribe(lambda: called.append("late"))()
    assert called == ["late"]


def test_a_subscriber_may_leave_while_it_is_called():
    cancel = Cancel()
    leave: list = []

    def called():
        leave.pop()()

    leave.append(cancel.subscribe(called))
    cancel.set()
    assert not leave
    assert cancel.is_set


def test_a_signal_may_come_in_whatever_lock_the_interrupted_code_holds():
    """In a process of its own, since the old way never came back."""
    program = """
import signal
from canarylab.cancel import Cancel
cancel = Cancel()
signal.signal(signal.SIGUSR1, lambda *_: cancel.set_from_signal())
with cancel._event._cond, cancel._lock:
    signal.raise_signal(signal.SIGUSR1)
cancel._event.wait(10)
print(cancel.is_set)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "True\n"
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


# -- wait_until -------------------------------------------------------------------------------------------------------


def test_what_is_ready_is_not_waited_for():
    time = FakeTime()
    assert wait_until(lambda: True, deadline=time.now() - 99, cancel=time)
    assert time.slept == 0


def test_it_looks_again_until_it_is_ready():
    answers, time = iter([False, False, True]), FakeTime()
    assert wait_until(lambda: next(answers), deadline=time.now() + 60, cancel=time, interval=7)
    assert time.slept == 14


def test_at_the_deadline_it_gives_up():
    time = FakeTime()
    assert not wait_until(lambda: False, deadline=time.now() + 600, cancel=time, interval=100)
    assert time.slept == 600


def test_an_interruption_ends_the_wait():
    cancel = Cancel()
    cancel.set()
    with pytest.raises(CancelledError):
        wait_until(lambda: False, deadline=float("inf"), cancel=cancel)
