"""`demo --reset`: from any state back to rest, each Rollout that a step names, and nothing else."""

from __future__ import annotations

import pytest
from demo_world import IMAGE, Stage, pod, step

from canarylab.contract.step import Step
from canarylab.demo.reset import reset
from canarylab.demo.steps.healthy import Healthy
from canarylab.demo.steps.promote import Promote
from canarylab.demo.steps.set_image import SetImage
from canarylab.demo.steps.traffic import Traffic
from canarylab.errors import ExpectationError, UsageError
from canarylab.events import Notice

IMAGES = [f"{IMAGE}:blue", f"{IMAGE}:yellow"]
HEALTHY = step(Healthy, rollout="rollouts-demo")
PROMOTE = step(Promote, rollout="rollouts-demo")
ABORT, BACK = "abort rollouts-demo", f"set image rollouts-demo rollouts-demo={IMAGE}:blue"
RESUME = ("Rollout", "rollouts-demo", {"spec": {"paused": None}})


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def paused(stage: Stage) -> Stage:
    """At the pause of its first step."""
    step(SetImage, rollout="rollouts-demo", container="rollouts-demo", images=IMAGES).run(stage.ctx, None)
    stage.world.pending.popleft()()
    stage.events.clear()
    stage.runner.commands.clear()
    return stage


def test_an_update_is_aborted_and_the_image_set_back(paused: Stage):
    reset(paused.ctx, [HEALTHY, PROMOTE])
    assert paused.runner.commands == [ABORT, BACK]
    assert all(fact.holds for fact in paused.facts)
    HEALTHY.run(paused.ctx, None)


def test_an_aborted_update_is_not_aborted_again(paused: Stage):
    paused.world.aborted()
    reset(paused.ctx, [HEALTHY])
    assert paused.runner.commands == [BACK]


def test_a_rollout_at_rest_is_left_alone(stage: Stage):
    reset(stage.ctx, [HEALTHY])
    assert stage.runner.commands == []
    assert stage.world.patches == []
    assert all(fact.holds for fact in stage.facts)


def test_a_rollout_is_found_in_any_step_that_names_one(paused: Stage):
    reset(paused.ctx, [PROMOTE])
    assert paused.runner.commands == [ABORT, BACK]


def test_a_demonstration_that_names_no_rollout_has_nothing_to_reset(stage: Stage):
    with pytest.raises(UsageError, match="nothing to reset"):
        reset(stage.ctx, [step(Traffic, state="stop")])


def test_where_the_images_are_the_same_the_whole_template_is_undone(paused: Stage):
    paused.world.wanted = "blue"
    reset(paused.ctx, [HEALTHY])
    assert paused.runner.commands == [ABORT, "undo rollouts-demo --to-revision=1"]


def test_an_aborted_update_of_the_same_images_is_undone(paused: Stage):
    paused.world.aborted()
    paused.world.wanted = "blue"
    reset(paused.ctx, [HEALTHY])
    assert paused.runner.commands == ["undo rollouts-demo --to-revision=1"]


def test_where_the_images_were_not_all_of_it_the_rest_is_undone_too(paused: Stage):
    world = paused.world

    def another_revision() -> None:
        world.revisions["green"] = {"number": 3, "replicas": 0}
        world.current, world.observed = "green", world.generation

    original = world.set_image

    def set_image(color: str) -> None:
        original(color)
        if not world.revisions.get("green"):
            world.pending.clear()
            world.pending.append(another_revision)

    world.set_image = set_image  # type: ignore[method-assign]
    reset(paused.ctx, [HEALTHY])
    assert paused.runner.commands == [ABORT, BACK, "undo rollouts-demo --to-revision=1"]


def test_an_update_that_the_controller_has_not_seen_yet_is_taken_back(stage: Stage):
    stage.world.set_image("yellow")
    stage.world.pending.clear()
    reset(stage.ctx, [HEALTHY])
    assert stage.runner.commands == [BACK]


def test_a_rollout_that_somebody_paused_is_resumed_and_reported(stage: Stage):
    stage.world.paused_by_hand()
    reset(stage.ctx, [HEALTHY])
    assert stage.world.patches == [RESUME]
    assert stage.runner.commands == [], "`promote` would skip a step"
    assert "rollout 'rollouts-demo' resumed: it was paused by hand" in notices(stage)


def test_one_that_was_paused_in_the_middle_goes_back_before_it_is_resumed(paused: Stage):
    paused.world.paused_by_hand()
    told: list[str] = []
    original = paused.world.patched

    def patched(kind: str, name: str, body: dict[str, object]) -> None:
        told.extend(paused.runner.commands)
        original(kind, name, body)

    paused.world.patched = patched  # type: ignore[method-assign]
    reset(paused.ctx, [HEALTHY])
    assert told == [ABORT, BACK]


def test_old_pods_are_not_waited_for_but_scaled_down(paused: Stage):
    paused.world.delays = True
    reset(paused.ctx, [HEALTHY])
    ((kind, name, body),) = paused.world.patches
    assert (kind, name) == ("ReplicaSet", "rollouts-demo-6877dff844")
    assert list(body["metadata"]["annotations"]) == ["scale-down-deadline"]
    assert "old revisions: ScaledDown | revision 2" in paused.said


def test_as_long_as_a_route_leads_to_the_canary_nothing_is_scaled_down(paused: Stage):
    paused.world.mesh.routed = 5
    paused.world.delays = True
    with pytest.raises(ExpectationError):
        reset(paused.ctx, [HEALTHY])
    [fact] = paused.unmet
    assert (fact.text, fact.expected) == ("routes to the canary", "none")
    assert "rollouts-demo-vsvc1" in fact.seen
    assert paused.world.patches == []


def test_without_a_stable_revision_there_is_no_way_back_and_up_is_the_way_on(stage: Stage):
    stage.world.revisions = {}
    with pytest.raises(ExpectationError, match="no stable revision to go back to") as raised:
        reset(stage.ctx, [HEALTHY])
    assert "then `invoke up`" in str(raised.value)


def test_from_a_first_revision_that_never_was_healthy_there_is_only_the_way_on(paused: Stage):
    paused.world.has_been_healthy = False
    reset(paused.ctx, [HEALTHY])
    assert paused.runner.commands == ["promote rollouts-demo --full"]
    assert paused.world.stable == "yellow"


def test_an_image_that_never_comes_is_not_waited_for(stage: Stage):
    stage.world.has_been_healthy = False
    stage.world.phase = "Progressing"
    lacking = pod("blue", ready=False)
    lacking["metadata"]["namespace"] = "default"
    lacking["metadata"]["labels"] = {"app": "rollouts-demo"}
    lacking["spec"]["containers"][0]["image"] = "docker.io/library/nope:1"
    lacking["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "InvalidImageName", "message": "no"}}
    stage.world.pods = lambda: [lacking]  # type: ignore[method-assign]
    stage.world.pending.append(lambda: pytest.fail("waited on"))
    with pytest.raises(ExpectationError, match="InvalidImageName") as raised:
        reset(stage.ctx, [HEALTHY])
    assert "fix what stops it in the playbook's manifests, then `invoke up`" in str(raised.value)
    assert "--reset" not in str(raised.value), "one is just doing that"


def test_a_spec_that_argo_refuses_is_not_waited_for(paused: Stage):
    paused.world._back = lambda: None  # type: ignore[method-assign]
    paused.world.refused("spec.steps: no")
    paused.world.current = paused.world.wanted = "blue"
    paused.world.pending.append(lambda: pytest.fail("waited on"))
    with pytest.raises(ExpectationError) as raised:
        reset(paused.ctx, [HEALTHY])
    assert "why: Argo refuses its spec" in str(raised.value)
    assert "`invoke up` puts it back" in str(raised.value)


class TestSeveral:
    @pytest.fixture
    def others(self) -> list[Step]:
        return [step(Healthy, rollout="gone"), PROMOTE]

    def test_one_that_is_missing_does_not_keep_the_others_from_being_reset(self, paused: Stage, others: list[Step]):
        with pytest.raises(ExpectationError, match="no Rollout default/gone"):
            reset(paused.ctx, others)
        assert paused.runner.commands == [ABORT, BACK]
        assert paused.world.stable == paused.world.current == "blue"

    def test_facts_say_which_of_them_they_are_of(self, paused: Stage, others: list[Step]):
        with pytest.raises(ExpectationError):
            reset(paused.ctx, others)
        assert "default/rollouts-demo, status: Healthy | Healthy | True" in paused.said


def notices(stage: Stage) -> list[str]:
    return [event.message for event in stage.events if isinstance(event, Notice)]
