"""Several demonstrations at once."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from support.runs import Heard, context_of

from canarylab.cancel import Cancel
from canarylab.demo.side_by_side import Demonstration, attempt, run_all
from canarylab.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_MACHINE,
    CancelledError,
    ExpectationError,
    StageError,
)
from canarylab.events import DemoFinished, DemoStarted, Fact, Notice, StageProgress

PATIENCE = 10.0


class World:
    """Demonstrations, each with a number of steps; `work` does what a test says for each."""

    def __init__(self, **steps):
        self.heard = Heard()
        self.cancel = Cancel()
        base = context_of(emit=self.heard.append, cancel=self.cancel)
        self.demos = [
            Demonstration(
                dataclasses.replace(
                    base, playbook=dataclasses.replace(base.playbook, name=name, demo=tuple(range(number)))
                )
            )
            for name, number in steps.items()
        ]

    def run(self, *, at_once=6, **does):
        return run_all(self.demos, lambda ctx: does.get(ctx.playbook.name, lambda _: None)(ctx), at_once)

    def finished(self):
        return {event.playbook: event for event in self.heard.of(DemoFinished)}


def fails(error):
    def work(_ctx):
        raise error

    return work


def test_they_run_at_the_same_time():
    both = threading.Barrier(2, timeout=PATIENCE)
    world = World(a=1, b=1)
    ended = world.run(a=lambda _: both.wait(), b=lambda _: both.wait())
    assert {one.state for one in ended} == {"passed"}


def test_no_more_run_at_once_than_allowed_and_those_with_the_most_steps_begin_first():
    world, begun = World(short=1, long=9, middle=5), []
    world.run(at_once=1, **{name: lambda ctx: begun.append(ctx.playbook.name) for name in ("short", "long", "middle")})
    assert begun == ["long", "middle", "short"]


def test_one_that_fails_does_not_stop_the_others():
    world = World(a=2, b=1)
    ended = world.run(at_once=1, a=fails(ExpectationError("5 expected, saw 0", remedy="look")))
    assert [(one.playbook, one.state, one.exit_code) for one in ended] == [
        ("a", "failed", EXIT_FAILED),
        ("b", "passed", EXIT_DONE),
    ]
    assert world.finished()["a"].reason == "5 expected, saw 0\nnext: look"
    assert world.finished()["b"].reason == ""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyError("x"), EXIT_BUG, "KeyError: 'x'"),
        (OSError(28, "No space left on device", "/tmp"), EXIT_MACHINE, "No space left on device: /tmp"),
    ],
)
def test_neither_does_a_bug_or_a_machine_that_refuses(error, code, said):
    world = World(a=2, b=1)
    ended = {one.playbook: one for one in world.run(a=fails(error))}
    assert (ended["a"].exit_code, ended["b"].state) == (code, "passed")
    assert world.finished()["a"].reason.startswith(said)


def test_one_that_cannot_be_performed_is_failed_with_the_reason_and_not_begun():
    blocked = StageError("stage istiod failed: no memory", remedy="see to it")
    world = World(a=1, b=1)
    world.demos[0] = dataclasses.replace(world.demos[0], blocked=blocked)
    world.run(a=fails(AssertionError("it was performed")))
    assert [event.playbook for event in world.heard.of(DemoStarted)] == ["b"]
    assert (world.finished()["a"].state, world.finished()["a"].reason) == ("failed", blocked.report)


def test_once_interrupted_those_that_have_not_begun_are_skipped():
    world = World(a=2, b=1)

    def interrupted(_ctx):
        world.cancel.set()
        world.cancel.check()

    ended = {one.playbook: one for one in world.run(at_once=1, a=interrupted)}
    assert (ended["a"].state, ended["b"].state) == ("interrupted", "skipped")
    assert isinstance(ended["a"].error, CancelledError)
    assert ended["b"].exit_code == EXIT_INTERRUPTED


def test_events_carry_the_playbook_they_belong_to_and_facts_are_counted():
    world = World(a=1)

    def work(ctx):
        ctx.emit(Fact("healthy", "status", "Healthy", "Healthy", holds=True))
        ctx.for_stage("evidence", ctx.deadline).emit(Fact("evidence", "share", "5 %", "0 %", holds=False))
        ctx.progress("waiting")
        ctx.emit(Notice("aborted"))

    world.run(a=work)
    told = [event for event in world.heard if isinstance(event, Fact | StageProgress | Notice)]
    assert [event.playbook for event in told] == ["a"] * 4
    assert (world.finished()["a"].facts, world.finished()["a"].held) == (2, 1)


def test_one_on_its_own_is_not_announced_and_its_events_belong_to_it_all_the_same():
    world = World(a=1)
    ended = attempt(world.demos[0].ctx, lambda ctx: ctx.emit(Notice("aborted")))
    assert (ended.playbook, ended.state) == ("a", "passed")
    assert world.heard == [Notice("aborted", "a")]
