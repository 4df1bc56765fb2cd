"""The password is kept for as long as something may need it."""

from __future__ import annotations

import threading

import pytest
from support.fake_runner import FakeRunner
from support.fake_time import FakeTime

from canarylab.errors import CancelledError, CommandError
from canarylab.tools import sudo


class Rounds(FakeTime):
    """Lets the refresher go round so many times."""

    def __init__(self, rounds):
        super().__init__()
        self.rounds = rounds

    def sleep_unless(self, over, seconds):  # noqa: ARG002 - no time passes
        self.rounds -= 1
        return self.rounds < 0


def refreshes(is_needed, rounds=3):
    runner = FakeRunner({"sudo -n -v": ""})
    sudo._refresh(runner, Rounds(rounds), is_needed, threading.Event())
    return len(runner.commands)


def test_it_is_refreshed_while_something_needs_it():
    assert refreshes(lambda: True) == 3
    assert refreshes(lambda: False) == 0


@pytest.mark.parametrize("error", [CommandError("ip route", None, ""), OSError(24, "Too many open files")])
def test_a_look_that_fails_does_not_say_that_nothing_needs_it(error):
    def fail():
        raise error

    assert refreshes(fail) == 3


def test_a_run_that_was_interrupted_ends_it():
    class Interrupted(FakeRunner):
        def run(self, *_args, **_given):
            self.commands.append("sudo")
            raise CancelledError("interrupted")

    runner = Interrupted()
    sudo._refresh(runner, Rounds(3), lambda: True, threading.Event())
    assert len(runner.commands) == 1
