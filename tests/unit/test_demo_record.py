"""The step `record` and the recorder behind it, on an API that brings changes when a test wants it to."""

from __future__ import annotations

import pytest
from demo_world import step
from history_world import NEW, OLD, ROLLOUT, FollowedCluster, at_rest, pod, replica_set, rollout
from pydantic import ValidationError
from support.fake_provider import FakeProvider
from support.fake_time import FakeTime

from canarylab.contract.context import Context
from canarylab.contract.step import Session, Step, StepOptions
from canarylab.demo.perform import perform
from canarylab.demo.steps.record import Record
from canarylab.errors import CancelledError, ExpectationError
from canarylab.events import Event, Fact
from canarylab.kube.client import ApiError

pytestmark = pytest.mark.timeout(30)

GONE = ApiError("too old resource version: 104 (900)", 410, where="/api/v1/namespaces/default/pods")


class Stage:
    """A context for steps on a fake cluster, and the facts that they report."""

    def __init__(self):
        self.cluster = FollowedCluster(at_rest(maxSurge=1, maxUnavailable=1))
        self.events: list[Event] = []
        self.session = Session()
        self.ctx = Context(None, FakeProvider(self.cluster), self.events.append, runner=object())

    def record(self, state, **expected):
        self.events.clear()
        recording(state, **expected).run(self.ctx, self.session)
        return self.facts

    @property
    def facts(self):
        return [event for event in self.events if isinstance(event, Fact)]

    def grow_by_one(self):
        for change in (replica_set(NEW, 1, available=0), pod(NEW, 0, ready=False), pod(NEW, 0), replica_set(NEW, 1)):
            self.cluster.put(change)


class Between(Step):
    """What a test does between start and stop."""

    kind = "between"
    Options = StepOptions

    def __init__(self, act):
        super().__init__(StepOptions())
        self._act = act

    def run(self, ctx, session):  # noqa: ARG002
        self._act()


class AllAtOnce(Record):
    """The time stands still, however slow the machine is."""

    clock = staticmethod(lambda: 0.0)


def unmet(stage):
    """What isn't as expected: of what, what was expected, and what was seen."""
    return [(fact.text, fact.expected, fact.seen) for fact in stage.facts if not fact.holds]


def recording(state, **expected):
    return step(AllAtOnce, state=state, rollout="demo", namespace="default", **expected)


@pytest.fixture
def stage():
    found = Stage()
    yield found
    for over in found.cluster.overs:
        over.set()


def test_a_recording_says_where_it_begins(stage):
    (fact,) = stage.record("start")
    assert (fact.text, fact.seen) == ("recording", f"from resourceVersion {stage.cluster.resource_version} on")


def test_in_the_end_it_tells_the_history_and_claims_the_bounds(stage):
    stage.record("start")
    stage.grow_by_one()
    history, *bounds = stage.record("stop", peak=5, least_stable=4)
    assert history.text == "history, revision 1 + revision 2: available/pods"
    assert history.seen.startswith("5 states in 0.0 s: 0.0 s 4+0, 0.0 s 4+0/1, 0.0 s 4+1")
    assert [(fact.text, fact.seen) for fact in bounds] == [
        ("pods that the ReplicaSets want", "5 at most"),
        ("pods that the ReplicaSets want", "4 at least"),
        ("pods that don't terminate", "5 at most"),
        ("available pods", "4 at least"),
        ("most pods at once, of all revisions", "5"),
        ("fewest available pods of the stable revision", "4"),
    ]
    assert all(fact.holds for fact in stage.facts)


def test_a_state_that_was_over_before_anybody_looked_breaks_a_bound(stage):
    stage.record("start")
    stage.cluster.put(pod(OLD, 8))
    stage.cluster.put(pod(OLD, 9))
    stage.cluster.drop(pod(OLD, 8))
    stage.cluster.drop(pod(OLD, 9))
    with pytest.raises(ExpectationError):
        stage.record("stop")
    [(bound, expected, seen)] = unmet(stage)
    assert (bound, expected.partition(",")[0]) == ("pods that don't terminate", "at most 5")
    assert seen.startswith("6 at most, at ")


def test_what_was_expected_beyond_the_bounds_may_fail(stage):
    stage.record("start")
    stage.grow_by_one()
    with pytest.raises(ExpectationError):
        stage.record("stop", peak=8)
    [(bound, expected, seen)] = unmet(stage)
    assert (bound, expected) == ("most pods at once, of all revisions", "8")
    assert seen.startswith("5, at ")


def test_what_the_watches_have_not_brought_yet_is_fetched_in_the_end(stage):
    stage.record("start")
    stage.cluster.late.add("Pod")
    stage.grow_by_one()
    assert "4+1" in stage.record("stop")[0].seen


def test_what_came_and_went_since_the_last_event_is_fetched_too(stage):
    """The lists show nothing of it."""
    stage.record("start")
    stage.cluster.late.add("Pod")
    for number in (8, 9):
        stage.cluster.put(pod(OLD, number))
    for number in (8, 9):
        stage.cluster.drop(pod(OLD, number))
    with pytest.raises(ExpectationError):
        stage.record("stop")
    [(bound, _, seen)] = unmet(stage)
    assert bound == "pods that don't terminate"
    assert seen.startswith("6 at most, at ")


def test_what_no_watch_brings_is_a_gap_and_nothing_is_claimed(stage):
    stage.ctx.cancel = FakeTime(tick=11)
    stage.record("start")
    stage.cluster.lost.add("Pod")
    stage.grow_by_one()
    with pytest.raises(ExpectationError) as raised:
        stage.record("stop", peak=5)
    assert "what became of Pods after resourceVersion 96 is missing: no watch brought it in time" in str(raised.value)
    assert "nothing can be claimed of states that weren't seen" in str(raised.value)
    assert len(stage.facts) == 1


def test_a_bookmark_proves_that_a_kind_is_at_rest(stage):
    stage.record("start")
    stage.cluster.put(replica_set(OLD, 4))
    stage.cluster.bookmark("Pod")
    stage.cluster.fail("Pod", GONE)
    assert stage.record("stop")[0].holds


def test_a_connection_that_is_cut_in_the_end_is_made_up_for_by_the_watches_that_go_on(stage):
    def cut(kind):
        if kind == "Pod":
            stage.cluster.bookmark(kind)
            raise ApiError("the watch broke off", None, where="/api/v1/namespaces/default/pods")

    stage.record("start")
    stage.grow_by_one()
    stage.cluster.on_drain = cut
    assert "4+1" in stage.record("stop")[0].seen


def test_history_that_the_server_has_forgotten_is_a_gap_and_nothing_is_claimed(stage):
    stage.record("start")
    stage.cluster.put(replica_set(OLD, 4))
    stage.cluster.fail("Pod", GONE)
    with pytest.raises(ExpectationError):
        stage.record("stop")
    [history] = stage.facts
    assert not history.holds
    assert GONE.what in history.seen
    assert " 2 states in " in history.seen


def test_a_rollout_that_is_deleted_on_the_way_is_a_gap(stage):
    stage.record("start")
    stage.cluster.drop(rollout(maxSurge=1, maxUnavailable=1))
    with pytest.raises(ExpectationError, match="Rollout default/demo was deleted"):
        stage.record("stop")


def test_a_mistake_of_ours_is_no_gap(stage):
    stage.record("start")
    stage.cluster.put(replica_set(OLD, 4))
    stage.cluster.fail("Pod", KeyError("ours"))
    with pytest.raises(KeyError, match="ours"):
        stage.record("stop")


def test_kinds_that_are_counted_apart_are_not_recorded(stage):
    versions = iter([7000, 12, 7000])

    def count_apart():
        stage.cluster.resource_version = next(versions)

    stage.cluster.on_list = count_apart
    with pytest.raises(ExpectationError, match="aren't from one counter"):
        stage.record("start")


def test_a_rollout_that_is_not_there_is_not_recorded(stage):
    with pytest.raises(ExpectationError, match="there is no Rollout default/other"):
        step(Record, state="start", rollout="other", namespace="default").run(stage.ctx, stage.session)


def test_its_own_end_or_that_of_the_demonstration_ends_the_watches(stage):
    stage.record("start")
    stage.record("stop")
    stage.record("start")
    perform(stage.ctx, [])
    assert len(stage.cluster.overs) <= 6
    assert [over.is_set() for over in stage.cluster.overs[:3]] == [True] * 3


def test_a_recording_that_nobody_ends_is_judged_with_the_demonstration(stage):
    with pytest.raises(ExpectationError) as raised:
        perform(stage.ctx, [recording("start"), Between(lambda: [stage.cluster.put(pod(OLD, n)) for n in (8, 9)])])
    assert raised.value.where == "demo step record default/demo"
    assert unmet(stage)[0][0] == "pods that don't terminate"
    assert stage.cluster.overs[0].is_set()


def test_after_the_failure_of_another_step_the_history_is_reported(stage):
    def fail():
        stage.grow_by_one()
        raise ExpectationError("something else")

    with pytest.raises(ExpectationError, match="something else"):
        perform(stage.ctx, [recording("start"), Between(fail)])
    assert any("4+0, 0.0 s 4+0/1" in fact.seen for fact in stage.facts)


def test_an_interruption_ends_it_without_waiting_for_the_rest(stage):
    def interrupt():
        stage.cluster.listed.clear()
        stage.ctx.cancel.set()

    with pytest.raises(CancelledError):
        perform(stage.ctx, [recording("start"), Between(interrupt), recording("stop")])
    assert stage.cluster.listed == []
    assert stage.cluster.overs[0].is_set()


def test_an_interruption_while_it_catches_up_ends_that(stage):
    stage.record("start")
    stage.cluster.lost.add("Pod")
    stage.grow_by_one()
    stage.cluster.on_list = stage.ctx.cancel.set
    with pytest.raises(CancelledError):
        stage.record("stop")
    assert stage.cluster.overs[0].is_set()


class TestOrder:
    def test_what_is_recorded_already_is_not_begun_again(self, stage):
        stage.record("start")
        with pytest.raises(ExpectationError, match="Rollout default/demo is already being recorded"):
            stage.record("start")

    def test_what_is_not_recorded_has_no_end(self, stage):
        with pytest.raises(ExpectationError, match="Rollout default/demo isn't being recorded") as raised:
            stage.record("stop")
        assert "put `record: {state: start" in str(raised.value)

    def test_two_rollouts_can_be_recorded_at_once(self, stage):
        other = rollout()
        other["metadata"] = {**other["metadata"], "name": "other", "uid": f"{ROLLOUT}-2"}
        stage.cluster.put(other)
        stage.record("start")
        step(Record, state="start", rollout="other", namespace="default").run(stage.ctx, stage.session)
        stage.record("stop")

    @pytest.mark.parametrize("wrong", [{"peak": 5}, {"least_stable": 1}, {"rate": 5}])
    def test_a_beginning_takes_no_expectations(self, wrong):
        with pytest.raises(ValidationError):
            recording("start", **wrong)
