"""A teardown is the schedule the other way round, one stage at a time."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from support.fake_cluster import FakeCluster
from support.runs import Heard, Scripted, context_of

from canarylab.engine.outcome import Outcome
from canarylab.engine.schedule import run_reversed
from canarylab.engine.select import select_dependents
from canarylab.errors import EXIT_FAILED, EXIT_INTERRUPTED, StageError
from canarylab.events import Notice

STAGES = [Scripted("a"), Scripted("b", ["a"]), Scripted("c"), Scripted("d", ["a", "c"])]


def removed(work):
    heard = Heard()
    ctx = context_of(*STAGES, cluster=FakeCluster(), emit=heard.append)
    stages = select_dependents(ctx.playbook, [], everything=True)
    return run_reversed(ctx, "teardown", stages, work), heard


def done(_ctx, _stage, _limits):
    return Outcome("changed", 0.0)


@contextmanager
def alone_or_fail(lock):
    assert lock.acquire(blocking=False), "another is at it"
    yield
    lock.release()


def test_what_is_removed_is_not_needed_by_anything_that_is_still_there():
    order = list(removed(done)[0].outcomes)
    assert sorted(order) == ["a", "b", "c", "d"]
    for stage in STAGES:
        assert all(order.index(stage.name) < order.index(need) for need in stage.needs)


def test_one_goes_at_a_time():
    alone = threading.Lock()

    def work(ctx, stage, limits):
        with alone_or_fail(alone):
            ctx.cancel.sleep(0.01)
        return done(ctx, stage, limits)

    assert removed(work)[0].names("changed") == ("d", "c", "b", "a")


def test_a_failure_skips_nothing_and_keeps_its_reason():
    def work(ctx, stage, limits):
        if stage.name == "d":
            raise StageError("it clings", remedy="pull")
        return done(ctx, stage, limits)

    run, _ = removed(work)
    assert (run.names("failed"), run.names("changed"), run.names("skipped")) == (("d",), ("c", "b", "a"), ())
    assert run.outcomes["d"].reason == "it clings\nnext: pull"
    assert run.exit_code == EXIT_FAILED


def test_an_interruption_lets_the_one_at_hand_end_and_begins_no_other():
    def work(ctx, stage, limits):
        ctx.cancel.set()
        return done(ctx, stage, limits)

    run, heard = removed(work)
    assert (run.names("changed"), run.names("skipped")) == (("d",), ("c", "b", "a"))
    assert run.exit_code == EXIT_INTERRUPTED
    assert any("`invoke teardown`" in event.message for event in heard if isinstance(event, Notice))


def test_the_critical_path_is_all_of_it():
    def work(ctx, stage, limits):
        ctx.cancel.sleep(0.005)
        return done(ctx, stage, limits)

    assert removed(work)[0].summary.critical_path == ("d", "c", "b", "a")
