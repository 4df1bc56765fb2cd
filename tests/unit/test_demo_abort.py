"""The steps that turn an update around: abort, retry, undo, and promote to the end."""

from __future__ import annotations

import pytest
from demo_world import IMAGE, Stage, step
from pydantic import ValidationError

from canarylab.contract.step import Session, Step
from canarylab.demo.steps.abort import Abort
from canarylab.demo.steps.expect_rollout import ExpectRollout
from canarylab.demo.steps.healthy import Healthy
from canarylab.demo.steps.promote import Promote
from canarylab.demo.steps.retry import Retry
from canarylab.demo.steps.set_image import SetImage
from canarylab.demo.steps.undo import Undo
from canarylab.errors import ExpectationError

SET_IMAGE = step(
    SetImage, rollout="rollouts-demo", container="rollouts-demo", images=[f"{IMAGE}:blue", f"{IMAGE}:yellow"]
)
PAUSED = step(ExpectRollout, rollout="rollouts-demo", status="Paused", step="1/2")
HEALTHY = step(Healthy, rollout="rollouts-demo")
ABORT, RETRY, UNDO, PROMOTE = (step(kind, rollout="rollouts-demo") for kind in (Abort, Retry, Undo, Promote))


@pytest.fixture
def stage() -> Stage:
    return Stage()


def run(stage: Stage, *steps: Step) -> None:
    for each in steps:
        each.run(stage.ctx, Session())


@pytest.fixture
def paused(stage: Stage) -> Stage:
    run(stage, SET_IMAGE, PAUSED)
    stage.events.clear()
    stage.runner.commands.clear()
    return stage


def seen_instead(stage: Stage) -> tuple[str, str]:
    """The step whose expectation isn't met, and the status that the Rollout had instead."""
    [fact] = stage.unmet
    return fact.step, fact.seen.replace(",", " ").split()[0]


class TestAbort:
    def test_it_says_what_it_aborted_and_where_that_was(self, paused: Stage):
        run(paused, ABORT)
        assert paused.runner.commands == ["abort rollouts-demo"]
        last = paused.facts[-1]
        assert last.text == f"abort revision 2 ({IMAGE}:yellow) at step 1/2, SetWeight 5"
        assert last.seen.startswith("Degraded (RolloutAborted")

    def test_it_waits_until_the_controller_has_seen_it(self, paused: Stage):
        paused.runner.world.aborted, seen = lambda: setattr(paused.world, "abort", True), paused.world.aborted
        paused.world.pending.append(seen)
        run(paused, ABORT)
        assert not paused.world.pending

    def test_without_an_update_there_is_nothing_to_abort(self, stage: Stage):
        with pytest.raises(ExpectationError):
            run(stage, ABORT)
        assert seen_instead(stage) == ("abort", "Healthy")
        assert stage.runner.commands == []

    def test_what_was_aborted_is_not_aborted_again(self, paused: Stage):
        with pytest.raises(ExpectationError):
            run(paused, ABORT, ABORT)
        assert seen_instead(paused) == ("abort", "Degraded")
        assert paused.runner.commands == ["abort rollouts-demo"]


class TestRetry:
    def test_the_aborted_update_begins_anew(self, paused: Stage):
        run(paused, ABORT, RETRY)
        assert paused.runner.commands == ["abort rollouts-demo", "retry rollout rollouts-demo"]
        assert paused.facts[-1].text == f"retry revision 2 ({IMAGE}:yellow)"
        assert paused.facts[-1].seen.startswith("Progressing")
        run(paused, PAUSED)

    def test_what_was_not_aborted_is_not_retried(self, paused: Stage):
        with pytest.raises(ExpectationError):
            run(paused, RETRY)
        assert seen_instead(paused) == ("retry", "Paused")
        assert paused.runner.commands == []


class TestUndo:
    @pytest.fixture
    def updated(self, paused: Stage) -> Stage:
        """Yellow is stable now, blue is the revision before."""
        run(paused, PROMOTE, HEALTHY)
        return paused

    def test_it_goes_back_to_the_previous_revision_which_gets_the_next_number(self, updated: Stage):
        run(updated, UNDO)
        assert updated.runner.commands[-1] == "undo rollouts-demo --to-revision=1"
        last = updated.facts[-1]
        assert last.text == f"undo, from revision 2 ({IMAGE}:yellow) to revision 1 ({IMAGE}:blue)"
        assert last.seen == f"revision 3 ({IMAGE}:blue)"

    def test_it_goes_back_to_a_revision_by_its_number(self, updated: Stage):
        run(updated, UNDO, PAUSED, PROMOTE, HEALTHY, step(Undo, rollout="rollouts-demo", revision=2))
        assert updated.runner.commands[-1] == "undo rollouts-demo --to-revision=2"

    def test_a_controller_that_does_nothing_is_a_failure(self, updated: Stage):
        updated.world.undone = lambda _number: None  # type: ignore[method-assign]
        with pytest.raises(ExpectationError):
            run(updated, UNDO)
        [fact] = updated.unmet
        assert (fact.step, fact.seen) == ("undo", f"revision 2 ({IMAGE}:yellow)")
        assert updated.runner.commands[-1] == "undo rollouts-demo --to-revision=1"

    @pytest.mark.parametrize("revision", [2, 7])
    def test_a_revision_that_is_not_an_earlier_one_is_refused_with_those_that_are(self, updated: Stage, revision: int):
        with pytest.raises(ExpectationError) as raised:
            run(updated, step(Undo, rollout="rollouts-demo", revision=revision))
        assert raised.value.where == "demo step undo"
        assert f"revision {revision} " in raised.value.what
        assert f"revision 1 ({IMAGE}:blue)" in str(raised.value.why)
        assert "undo" not in updated.runner.commands[-1]

    def test_the_first_revision_has_none_before_it(self, stage: Stage):
        with pytest.raises(ExpectationError) as raised:
            run(stage, UNDO)
        assert raised.value.where == "demo step undo"
        assert "revisionHistoryLimit" in str(raised.value.why)
        assert stage.runner.commands == []

    @pytest.mark.parametrize("revision", ["last", 0, -1])
    def test_what_is_no_revision_is_refused(self, revision: object):
        with pytest.raises(ValidationError):
            step(Undo, rollout="rollouts-demo", revision=revision)


class TestPromote:
    def test_full_skips_the_steps_that_are_left(self, paused: Stage):
        run(paused, step(Promote, rollout="rollouts-demo", full=True))
        assert paused.runner.commands == ["promote rollouts-demo --full"]
        assert paused.facts[-1].expected.endswith("goes to the end")

    def test_otherwise_it_goes_one_step_on(self, paused: Stage):
        run(paused, PROMOTE)
        assert paused.runner.commands == ["promote rollouts-demo"]


class TestReadyPods:
    def expect(self, **pods: int) -> Step:
        return step(ExpectRollout, rollout="rollouts-demo", status="Paused", ready_pods=pods)

    def test_the_pods_of_each_revision_are_counted_apart(self, paused: Stage):
        run(paused, self.expect(stable=1, canary=1))
        assert "ready pods of the stable revision: 1 | 1 | True" in paused.said
        assert "ready pods of the canary revision: 1 | 1 | True" in paused.said

    @pytest.mark.parametrize("pods", [{"stable": 2}, {"canary": 0}])
    def test_another_number_of_either_fails(self, paused: Stage, pods: dict[str, int]):
        with pytest.raises(ExpectationError):
            run(paused, self.expect(**pods))
        [fact], [(which, number)] = paused.unmet, pods.items()
        assert (fact.text, fact.expected) == (f"ready pods of the {which} revision", str(number))

    def test_a_pod_that_is_not_ready_does_not_count_and_is_reported(self, paused: Stage):
        original = paused.world.pods

        def pods():
            first, *others = original()
            first["status"]["containerStatuses"][0]["ready"] = False
            return [first, *others]

        paused.world.pods = pods  # type: ignore[method-assign]
        with pytest.raises(ExpectationError, match="saw 0, and 1 not ready"):
            run(paused, self.expect(stable=1, canary=1))

    def test_without_a_canary_it_has_no_pods(self, stage: Stage):
        run(
            stage, step(ExpectRollout, rollout="rollouts-demo", status="Healthy", ready_pods={"stable": 1, "canary": 0})
        )
        assert "ready pods of the canary revision: 0 | 0 | True" in stage.said
