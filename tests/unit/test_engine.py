from __future__ import annotations

import dataclasses
import threading

import pytest
from support.fake_cluster import FakeCluster
from support.fake_time import FakeTime
from support.runs import Heard, Scripted, context_of

from canarylab.contract.cause import Cause, Standstill
from canarylab.contract.playbook import Limits
from canarylab.engine import bring_up, outcome
from canarylab.engine.select import select
from canarylab.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_MACHINE,
    CommandError,
    MachineError,
    NotYetObservableError,
    StageError,
    UsageError,
)
from canarylab.events import Notice, RunStarted, StageChange, StageFinished, StageProgress, StageStarted
from canarylab.kube.client import ApiError

pytestmark = pytest.mark.timeout(30)

SECONDS = 10
"""How long a test waits for what must happen at once, before it fails."""


def fails(error):
    def hook(_ctx):
        raise error

    return hook


def fails_once(error):
    left = [error]

    def hook(_ctx):
        if left:
            raise left.pop()

    return hook


def up(*stages, **context):
    heard = Heard()
    ctx = context_of(*stages, **{"emit": heard.append, "cancel": FakeTime(), **context})
    return bring_up.up(ctx, stages), heard


def plan(*stages, **context):
    heard = Heard()
    ctx = context_of(*stages, emit=heard.append, **context)
    return bring_up.plan(ctx, stages), heard


def states(run):
    return {name: outcome.state for name, outcome in run.outcomes.items()}


# -- order ------------------------------------------------------------------------------------------------------------


def test_a_stage_starts_only_after_all_that_it_needs_is_healthy():
    log: list[str] = []
    run, _ = up(Scripted("c", ["a", "b"], log=log), Scripted("a", log=log), Scripted("b", ["a"], log=log))
    assert states(run) == {"a": "changed", "b": "changed", "c": "changed"}
    assert [line for line in log if line.startswith("apply")] == ["apply a", "apply b", "apply c"]
    assert log.index("observe b") > log.index("health a")


def test_independent_stages_run_side_by_side():
    together = threading.Barrier(3, timeout=SECONDS)
    run, _ = up(*(Scripted(name, on_apply=lambda _: together.wait()) for name in "abc"))
    assert run.exit_code == EXIT_DONE


def test_a_stage_does_not_wait_for_what_it_does_not_need():
    dependent_ran = threading.Event()
    run, _ = up(
        Scripted("slow", on_apply=lambda _: dependent_ran.wait(SECONDS) or fails(TimeoutError("never ran"))(_)),
        Scripted("fast"),
        Scripted("dependent", ["fast"], on_apply=lambda _: dependent_ran.set()),
    )
    assert run.exit_code == EXIT_DONE
    assert list(run.outcomes) == ["fast", "dependent", "slow"]


def test_needs_outside_the_selection_are_taken_to_be_there():
    run, heard = up(Scripted("a", ["elsewhere"]))
    assert run.exit_code == EXIT_DONE
    assert heard.of(RunStarted)[0].stages[0].needs == ()


def test_a_run_of_nothing_is_a_success():
    run, _ = up()
    assert (run.exit_code, run.summary.critical_path) == (EXIT_DONE, ())


# -- one stage --------------------------------------------------------------------------------------------------------


def test_a_stage_is_observed_applied_found_healthy_and_observed_again():
    stage = Scripted("a")
    run, heard = up(stage)
    assert stage.log == ["observe a", "apply a", "health a", "observe a"]
    assert heard.of(StageChange) == [StageChange("a", "create", "thing a", "it isn't there", "+thing\n")]
    assert run.outcomes["a"].reason == "it isn't there"


def test_what_is_up_to_date_is_not_applied_but_its_health_is_looked_at():
    stage = Scripted("a", up_to_date=True)
    run, heard = up(stage)
    assert stage.log == ["observe a", "health a"]
    assert states(run) == {"a": "unchanged"}
    assert not heard.of(StageChange)


def test_changes_that_are_left_after_applying_fail_the_stage_as_not_idempotent():
    run, heard = up(Scripted("a", idempotent=False))
    assert states(run) == {"a": "failed"}
    [ended] = heard.of(StageFinished)
    assert "not idempotent" in ended.reason
    left = StageChange("a", "create", "thing a", "it isn't there", "+thing\n")
    assert all(words in ended.reason for words in (left.subject, left.reason, left.diff))


def test_files_are_checked_before_anything_starts():
    class Broken(Scripted):
        def check(self):
            raise StageError(f"there is no {self.base}/x")

    first = Scripted("a")
    with pytest.raises(StageError, match="there is no /nowhere/x"):
        up(first, Broken("b"))
    assert first.log == []


def test_each_stage_is_started_and_finished_once_and_said_so():
    _, heard = up(Scripted("a"), Scripted("b", ["a"], up_to_date=True))
    assert [event.stage for event in heard.of(StageStarted)] == ["a", "b"]
    assert [(event.stage, event.state) for event in heard.of(StageFinished)] == [("a", "changed"), ("b", "unchanged")]


# -- retries and deadlines --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "passing", [CommandError("helm upgrade", 1, "timed out"), ApiError("busy", 429, where="PATCH")]
)
def test_a_failure_that_may_pass_is_tried_again(passing):
    stage = Scripted("a", on_apply=fails_once(passing))
    run, heard = up(stage)
    assert states(run) == {"a": "changed"}
    assert stage.log.count("apply a") == 2
    assert "trying again (1 of 1)" in heard.of(StageProgress)[0].message


def test_what_is_left_to_do_is_observed_before_it_is_tried_again():
    stage = Scripted("a", on_apply=fails_once(CommandError("helm", 1, "")))
    up(stage)
    assert stage.log[:4] == ["observe a", "apply a", "observe a", "apply a"]


def test_what_was_observed_last_is_what_is_applied():
    handed = []

    class Counting(Scripted):
        def observe(self, ctx):
            super().observe(ctx)
            return self.log.count("observe a")

        def changes(self, observed):  # noqa: ARG002
            return super().changes(self.done)

        def apply(self, ctx, observed):
            handed.append(observed)
            super().apply(ctx, self.done)

    up(Counting("a", on_apply=fails_once(CommandError("helm", 1, ""))))
    assert handed == [1, 2]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_it_is_tried_as_often_as_the_playbook_says(retries):
    stage = Scripted("a", on_apply=fails(CommandError("helm upgrade x", 1, "no")))
    run, _ = up(stage, limits={"a": Limits(60.0, retries)})
    assert stage.log.count("apply a") == 1 + retries
    error = run.outcomes["a"].error
    assert isinstance(error, CommandError)
    assert (error.command, error.code, error.tail) == ("helm upgrade x", 1, "no")


def test_a_failure_that_cannot_pass_is_not_tried_again():
    stage = Scripted("a", on_apply=fails(StageError("wrong architecture")))
    run, _ = up(stage, limits={"a": Limits(60.0, 5)})
    assert stage.log.count("apply a") == 1
    assert states(run) == {"a": "failed"}


def test_past_its_deadline_nothing_is_tried_again():
    stage = Scripted("a", on_apply=fails(CommandError("helm", 1, "")))
    up(stage, limits={"a": Limits(0.001, 5)})
    assert stage.log.count("apply a") == 1


def test_a_stage_sees_its_own_deadline():
    seen: list[float] = []
    up(Scripted("a", on_apply=lambda ctx: seen.append(ctx.remaining)), limits={"a": Limits(1000.0, 0)})
    assert 900 < seen[0] <= 1000


# -- health -----------------------------------------------------------------------------------------------------------


def test_health_is_awaited_by_watching_and_each_reason_is_reported_once():
    cluster = FakeCluster()
    cluster.pending.extend([lambda: None] * 5)
    stage = Scripted("a", ill=["no pod"] * 3 + ["not ready"])
    run, heard = up(stage, cluster=cluster)
    assert states(run) == {"a": "changed"}
    assert cluster.watched == [*stage.watches()]
    assert [event.message for event in heard.of(StageProgress)] == ["waiting: no pod", "waiting: not ready"]


def test_what_is_not_healthy_at_its_deadline_has_failed_with_the_last_reason():
    run, _ = up(Scripted("a", ill=["0 of 1 pods available"] * 9), cluster=FakeCluster(), limits={"a": Limits(90.0, 0)})
    assert "within 90 s: 0 of 1 pods available" in run.outcomes["a"].reason
    assert "invoke status" in run.outcomes["a"].reason
    assert run.exit_code == EXIT_FAILED


class Explained(Scripted):
    """Never gets healthy, and knows why."""

    found = Cause("exceeded quota: few", "`raise it`")

    def cause(self, _ctx):
        return self.found


def in_no_hurry():
    """A clock by which a standstill is one at the second look."""
    return FakeTime(tick=3)


def test_what_stands_still_is_told_with_its_cause_and_the_remedy_for_that():
    cluster = FakeCluster()
    cluster.pending.extend([lambda: None] * 3)
    stage = Explained("a", ill=["no pod"] * 9)
    run, heard = up(stage, cluster=cluster, limits={"a": Limits(90.0, 0)}, cancel=in_no_hurry())
    assert "waiting: no pod; exceeded quota: few" in [event.message for event in heard.of(StageProgress)]
    assert "within 90 s: no pod; exceeded quota: few" in run.outcomes["a"].reason
    assert run.outcomes["a"].error.remedy == "`raise it`"


def test_what_only_a_person_can_mend_is_not_waited_for():
    cluster, stage = FakeCluster(), Explained("a", ill=["no pod"] * 9)
    stage.found = dataclasses.replace(stage.found, permanent=True)
    cluster.pending.extend([lambda: None, lambda: pytest.fail("waited on")])
    run, _ = up(stage, cluster=cluster, cancel=in_no_hurry())
    assert ": no pod; exceeded quota: few" in run.outcomes["a"].reason
    assert "within" not in run.outcomes["a"].reason, "no time is named: none was waited"
    assert run.outcomes["a"].error.remedy == "`raise it`"


class TestPatience:
    """What looks lasting is so only after as long as it asks for."""

    def standstill(self, clock, *found):
        each = iter(found)
        return Standstill(lambda: next(each), clock.now)

    def seen(self, standstill, clock, *seconds):
        standstill.cause("no")
        for more in seconds:
            clock.sleep(more)
            yield standstill.cause("no").permanent

    def test_it_is_counted_from_when_it_was_first_so(self):
        clock, refused = FakeTime(), Cause("refused", "mend it", permanent=True, permanent_after=25)
        waits = self.standstill(clock, *[refused] * 9)
        assert list(self.seen(waits, clock, 60, 24, 3)) == [False, False, True]

    def test_and_anew_after_it_might_have_been_mended(self):
        clock, refused = FakeTime(), Cause("refused", "mend it", permanent=True, permanent_after=25)
        waits = self.standstill(clock, refused, dataclasses.replace(refused, permanent=False), *[refused] * 9)
        assert list(self.seen(waits, clock, 5, 24, 5, 24, 5)) == [False, False, False, False, True]

    def test_without_any_it_is_so_at_once(self):
        clock = FakeTime()
        waits = self.standstill(clock, *[Cause("quota", "raise it", permanent=True)] * 9)
        assert list(self.seen(waits, clock, 3)) == [True]


@pytest.mark.parametrize("code", [None, 429, 500, 503])
def test_an_api_server_that_is_in_trouble_for_a_moment_is_waited_for(code):
    cluster = FakeCluster()
    cluster.pending.append(lambda: None)
    stage = Scripted("a", on_health=fails_once(ApiError("etcd has no leader", code, where="GET /x")))
    run, heard = up(stage, cluster=cluster)
    assert states(run) == {"a": "changed"}
    assert heard.of(StageProgress)[0].message == "waiting: etcd has no leader"


@pytest.mark.parametrize("code", [400, 403])
def test_an_api_server_that_says_no_is_not_asked_again(code):
    cluster = FakeCluster()
    cluster.pending.append(lambda: None)
    error = ApiError("forbidden", code, where="GET /x")
    run, _ = up(Scripted("a", on_health=fails_once(error)), cluster=cluster)
    assert run.outcomes["a"].reason == f"GET /x: forbidden\nnext: {error.next_step}"


def test_what_cannot_be_watched_has_to_be_healthy_at_once():
    stage = Scripted("a", ill=["containerd doesn't answer"], watched=())
    run, _ = up(stage)
    assert "containerd doesn't answer" in run.outcomes["a"].reason
    assert stage.log.count("health a") == 1


def test_what_is_up_to_date_but_never_healthy_has_failed():
    run, _ = up(Scripted("a", up_to_date=True, ill=["ill"] * 9), cluster=FakeCluster())
    assert states(run) == {"a": "failed"}


# -- failures ---------------------------------------------------------------------------------------------------------


def test_what_needs_a_failed_stage_is_skipped_and_the_rest_goes_on():
    log: list[str] = []
    run, heard = up(
        Scripted("bad", log=log, on_apply=fails(StageError("broken"))),
        Scripted("child", ["bad"], log=log),
        Scripted("grandchild", ["good", "child"], log=log),
        Scripted("good", log=log),
        Scripted("other", ["good"], log=log),
    )
    assert states(run) == {
        "bad": "failed",
        "child": "skipped",
        "grandchild": "skipped",
        "good": "changed",
        "other": "changed",
    }
    assert not any("child" in line for line in log)
    reasons = {event.stage: event.reason for event in heard.of(StageFinished)}
    assert (reasons["child"], reasons["grandchild"]) == ("needs bad", "needs child")
    assert run.exit_code == EXIT_FAILED


def test_the_exit_code_is_that_of_the_first_failure():
    first_ended = threading.Event()

    def emit(event):
        if isinstance(event, StageFinished) and event.stage == "first":
            first_ended.set()

    stages = [
        Scripted("second", on_apply=lambda ctx: first_ended.wait(SECONDS) and fails(StageError("later"))(ctx)),
        Scripted("first", on_apply=fails(MachineError("too little memory"))),
    ]
    run = bring_up.up(context_of(*stages, emit=emit), stages)
    assert list(run.outcomes) == ["first", "second"]
    assert run.exit_code == EXIT_MACHINE


@pytest.mark.parametrize("bug", [ZeroDivisionError("division by zero"), SystemExit(3), RecursionError("too deep")])
def test_a_bug_in_a_stage_ends_that_stage_and_never_hangs_the_run(bug):
    run, _ = up(Scripted("a", on_apply=fails(bug)), Scripted("b", ["a"]), Scripted("c"))
    assert states(run) == {"a": "failed", "b": "skipped", "c": "changed"}
    assert run.exit_code == EXIT_BUG
    assert run.outcomes["a"].error is bug
    assert run.outcomes["a"].reason == f"{type(bug).__name__}: {bug}"


def test_a_bug_in_a_reader_of_events_does_not_hang_the_run():
    def reader(event):
        if event.event == "stage-started":
            raise RuntimeError("can't print that")

    ctx = context_of(stage := Scripted("a"), emit=reader)
    run = bring_up.up(ctx, [stage])
    assert run.exit_code == EXIT_BUG


def test_a_stage_without_limits_is_a_bug_that_does_not_hang_the_run():
    ctx = context_of()
    assert bring_up.up(ctx, [Scripted("a")]).exit_code == EXIT_BUG


# -- interruption -----------------------------------------------------------------------------------------------------


def test_an_interruption_ends_what_waits_and_starts_nothing_more():
    heard = Heard()
    waiting = Scripted("waiting", on_apply=lambda ctx: (ctx.cancel.set(), ctx.cancel.sleep(SECONDS)))
    later = Scripted("later", ["waiting"])
    ctx = context_of(waiting, later, emit=heard.append)
    run = bring_up.up(ctx, [waiting, later])
    assert states(run) == {"waiting": "failed", "later": "skipped"}
    assert later.log == []
    assert run.exit_code == EXIT_INTERRUPTED
    assert any("interrupted" in event.message for event in heard.of(Notice))


def test_an_interruption_during_a_stage_that_still_succeeds_is_no_success():
    stages = [Scripted("a", on_apply=lambda ctx: ctx.cancel.set()), Scripted("b", ["a"])]
    run, heard = up(*stages)
    assert states(run) == {"a": "changed", "b": "skipped"}
    assert (run.exit_code, run.summary.ok) == (EXIT_INTERRUPTED, False)
    assert heard.of(StageFinished)[-1].reason == "interrupted"


def test_an_interruption_before_the_start_starts_nothing():
    stage = Scripted("a")
    ctx = context_of(stage)
    ctx.cancel.set()
    run = bring_up.up(ctx, [stage])
    assert (run.exit_code, stage.log) == (EXIT_INTERRUPTED, [])


def test_an_interruption_comes_through_while_health_is_awaited():
    cluster = FakeCluster()
    stage = Scripted("a", ill=["not yet"] * 9)
    ctx = context_of(stage, cluster=cluster)
    cluster.pending.extend([ctx.cancel.set, lambda: None])
    assert bring_up.up(ctx, [stage]).exit_code == EXIT_INTERRUPTED


def test_the_run_lets_go_of_the_flag_that_cancels_it():
    stage = Scripted("a")
    ctx = context_of(stage)
    bring_up.up(ctx, [stage])
    assert not ctx.cancel._callbacks


# -- plan -------------------------------------------------------------------------------------------------------------


def test_a_plan_tells_the_changes_and_makes_none():
    log: list[str] = []
    run, heard = plan(Scripted("a", log=log), Scripted("b", ["a"], log=log, up_to_date=True))
    assert states(run) == {"a": "planned", "b": "unchanged"}
    assert log == ["observe a", "observe b"]
    assert [event.subject for event in heard.of(StageChange)] == ["thing a"]
    assert (run.exit_code, run.summary.changed) == (EXIT_DONE, ("a",))


def test_a_plan_goes_on_past_what_cannot_be_observed_yet():
    run, heard = plan(
        Scripted("a", on_observe=fails(NotYetObservableError("there is no cluster yet"))), Scripted("b", ["a"])
    )
    assert states(run) == {"a": "planned", "b": "planned"}
    assert heard.of(StageChange)[0].reason == "everything of it: there is no cluster yet"


def test_a_plan_that_cannot_observe_a_stage_fails():
    run, _ = plan(Scripted("a", on_observe=fails(StageError("other programs"))), Scripted("b", ["a"]))
    assert states(run) == {"a": "failed", "b": "skipped"}
    assert run.exit_code == EXIT_FAILED


# -- selection --------------------------------------------------------------------------------------------------------

CHAIN = [Scripted("a"), Scripted("b", ["a"]), Scripted("c", ["b"]), Scripted("d", ["a"])]


@pytest.mark.parametrize(
    ("only", "start", "selected"),
    [
        ([], None, "abcd"),
        (["c"], None, "abc"),
        (["c", "d"], None, "abcd"),
        ([], "b", "bc"),
        (["c"], "b", "bc"),
        (["d"], "b", ""),
    ],
)
def test_stages_are_selected_with_what_they_need_or_from_one_on(only, start, selected):
    chosen = select(context_of(*CHAIN).playbook, only, start)
    assert "".join(stage.name for stage in chosen) == selected


@pytest.mark.parametrize(("only", "start"), [(["bb"], None), ([], "bb"), (["a", "bb"], None)])
def test_an_unknown_stage_is_a_usage_error_that_names_the_known_ones(only, start):
    with pytest.raises(UsageError, match="'bb'") as caught:
        select(context_of(*CHAIN).playbook, only, start)
    assert "a, b, c, d" in str(caught.value.remedy)


# -- summary ----------------------------------------------------------------------------------------------------------


def test_the_summary_names_every_stage_by_what_came_of_it():
    run, _ = up(
        Scripted("new"),
        Scripted("old", up_to_date=True),
        Scripted("bad", on_apply=fails(StageError("no"))),
        Scripted("after", ["bad"]),
    )
    summary = run.summary
    assert (summary.command, summary.ok) == ("up", False)
    assert (summary.changed, summary.unchanged, summary.failed, summary.skipped) == (
        ("new",),
        ("old",),
        ("bad",),
        ("after",),
    )
    assert set(summary.stage_seconds) == {"new", "old", "bad", "after"}


def test_the_critical_path_is_the_chain_that_took_longest():
    run, _ = up(Scripted("slow"), Scripted("quick"), Scripted("end", ["slow", "quick"]))
    run.outcomes = {
        name: outcome.Outcome("changed", took) for name, took in (("slow", 5.0), ("quick", 1.0), ("end", 2.0))
    }
    assert (run.summary.critical_path, run.summary.critical_path_seconds) == (("slow", "end"), 7.0)
