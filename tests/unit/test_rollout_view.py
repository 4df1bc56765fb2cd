"""The view of a Rollout against what the plugin shows for the same objects."""

from __future__ import annotations

import pytest
from demo_world import HASHES, World, pod
from support.there import there

from canarylab.rollouts.pods import PodView
from canarylab.rollouts.view import RolloutView

NOTHING = "revision 1 (localhost/argoproj/rollouts-demo:blue) is active, SetWeight 0, ActualWeight 0"


def view(world: World) -> RolloutView:
    return RolloutView.of(world.rollout(), world.replica_sets(), world.pods())


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def paused() -> World:
    world = World()
    world.set_image("yellow")
    for happen in list(world.pending):
        happen()
    world.pending.clear()
    return world


def test_at_rest_it_is_row_12_of_the_notes(world: World):
    seen = view(world)
    assert (seen.phase, seen.step, seen.set_weight, seen.actual_weight) == ("Healthy", "2/2", 100, 100)
    assert (there(seen.stable).number, seen.canary, seen.updating) == (1, None, False)
    assert seen.replicas.desired == seen.replicas.current == seen.replicas.available == 1


def test_paused_it_is_row_13_of_the_notes(paused: World):
    seen = view(paused)
    assert (seen.status, seen.step) == ("Paused (CanaryPauseStep)", "1/2")
    assert (seen.set_weight, seen.actual_weight) == (5, 5)
    assert (there(seen.canary).number, there(seen.canary).hash) == (2, HASHES["yellow"])
    assert (there(seen.stable).number, there(seen.stable).hash) == (1, HASHES["blue"])
    assert [revision.number for revision in seen.revisions] == [2, 1]
    assert (seen.replicas.current, seen.replicas.updated, seen.replicas.ready) == (2, 1, 2)


def test_a_change_that_the_controller_has_not_seen_is_progressing(world: World):
    world.generation += 1
    assert view(world).phase == "Progressing"
    assert "observed" in view(world).message


def test_a_rollout_that_the_controller_has_never_seen_is_progressing(world: World):
    rollout = world.rollout()
    del rollout["status"]
    seen = RolloutView.of(rollout, [], [])
    assert (seen.phase, seen.updating, seen.stable, seen.step) == ("Progressing", True, None, "0/2")


def test_a_promotion_that_the_controller_has_not_seen_is_progressing(paused: World):
    paused.pause = []
    assert view(paused).phase == "Progressing"
    assert "unpause" in view(paused).message


def test_the_actual_weight_is_what_the_router_was_given(paused: World):
    paused.weight = 0
    assert (view(paused).set_weight, view(paused).actual_weight) == (5, 0)


def test_without_a_router_the_actual_weight_is_the_share_of_available_pods(paused: World):
    rollout = paused.rollout()
    del rollout["spec"]["strategy"]["canary"]["trafficRouting"]
    assert RolloutView.of(rollout, paused.replica_sets(), []).actual_weight == 50


def test_after_an_abort_the_weight_set_is_none(paused: World):
    paused.aborted()
    assert (view(paused).set_weight, view(paused).aborted, view(paused).phase) == (0, True, "Degraded")


def test_a_weight_step_counts_as_soon_as_it_is_reached(paused: World):
    paused.index = 0
    assert view(paused).set_weight == 5


def test_before_the_first_weight_step_the_weight_set_is_none(paused: World):
    rollout = paused.rollout()
    rollout["spec"]["strategy"]["canary"]["steps"] = [{"pause": {}}, {"setWeight": 40}]
    rollout["status"]["currentStepIndex"] = 0
    assert RolloutView.of(rollout, [], []).set_weight == 0


def test_a_rollout_without_steps_shows_none_and_all_of_the_weight(world: World):
    rollout = world.rollout()
    del rollout["spec"]["strategy"]["canary"]["steps"]
    seen = RolloutView.of(rollout, [], [])
    assert (seen.step, seen.set_weight, seen.actual_weight) == (None, 100, 100)


def test_replica_sets_of_others_are_left_out(world: World):
    others = world.replica_sets()
    others[0]["metadata"]["ownerReferences"] = [{"uid": "somebody else"}]
    assert RolloutView.of(world.rollout(), others, []).revisions == ()


@pytest.mark.parametrize(
    ("wanted", "available", "observed", "status"),
    [(1, 1, 1, "Healthy"), (1, 0, 1, "Progressing"), (1, 1, 0, "Progressing"), (0, 0, 1, "ScaledDown")],
)
def test_a_replica_set_says_how_far_it_is(world: World, wanted: int, available: int, observed: int, status: str):
    (found,) = world.replica_sets()
    found["spec"]["replicas"] = wanted
    found["status"] = {"availableReplicas": available, "observedGeneration": observed}
    assert RolloutView.of(world.rollout(), [found], []).revisions[0].status == status


@pytest.mark.parametrize("native", [True, False])
def test_a_sidecar_counts_as_a_container_whether_native_or_not(native: bool):
    assert PodView.of(pod("blue", native=native)).ready == "2/2"
    assert PodView.of(pod("blue", native=native, ready=False)).ready == "1/2"


def test_without_a_sidecar_only_the_application_counts():
    assert PodView.of(pod("blue", sidecar=False)).ready == "1/1"


def test_a_pod_that_is_being_deleted_is_leaving():
    going = pod("blue")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert PodView.of(going).terminating
    assert not PodView.of(pod("blue")).terminating


def test_why_a_pod_does_not_get_ready_is_said_in_its_own_words(world: World):
    broken = pod("blue", ready=False)
    waiting = {"reason": "ErrImageNeverPull", "message": "image is not present"}
    broken["status"]["containerStatuses"][0]["state"] = {"waiting": waiting}
    seen = RolloutView.of(world.rollout(), world.replica_sets(), [broken])
    assert "ErrImageNeverPull" in seen.trouble


class TestRollingUpdate:
    """A canary without steps."""

    def view(self, world: World) -> RolloutView:
        rollout = world.rollout()
        del rollout["spec"]["strategy"]["canary"]["steps"], rollout["spec"]["strategy"]["canary"]["trafficRouting"]
        rollout["status"]["currentStepIndex"] = None
        return RolloutView.of(rollout, world.replica_sets(), world.pods())

    def test_at_rest_it_has_no_step_and_all_of_the_weight(self, world: World):
        seen = self.view(world)
        assert (seen.strategy, seen.step, seen.set_weight, seen.actual_weight) == ("canary", None, 100, 100)
        assert "no steps" in str(seen)

    def test_in_the_middle_it_shows_all_of_the_weight_as_the_plugin_does(self, paused: World):
        seen = self.view(paused)
        assert (seen.step, seen.set_weight, seen.actual_weight, seen.updating) == (None, 100, 100, True)
        assert (there(seen.stable).number, there(seen.canary).number) == (1, 2)

    def test_after_an_abort_none_of_it_is_set(self, paused: World):
        paused.aborted()
        assert self.view(paused).set_weight == 0


class TestBlueGreen:
    def view(self, world: World, active: str, **status: str) -> RolloutView:
        world.blue_green, world.active = True, active
        rollout = world.rollout()
        rollout["status"] |= status
        return RolloutView.of(rollout, world.replica_sets(), world.pods())

    def roles(self, seen: RolloutView) -> dict[int, str]:
        return {revision.number: revision.role for revision in seen.revisions}

    def test_at_rest_the_one_revision_is_active_and_has_everything(self, world: World):
        seen = self.view(world, active="blue")
        assert (seen.strategy, seen.step, seen.set_weight, seen.actual_weight) == ("blueGreen", None, 100, 100)
        assert self.roles(seen) == {1: "active"}
        assert (there(seen.stable).number, seen.canary, seen.updating) == (1, None, False)

    def test_in_the_middle_the_new_one_is_a_preview_and_has_nothing(self, paused: World):
        paused.phase, paused.message = "Paused", "BlueGreenPause"
        seen = self.view(paused, active="blue")
        assert (seen.status, seen.set_weight, seen.actual_weight) == ("Paused (BlueGreenPause)", 0, 0)
        assert self.roles(seen) == {1: "active", 2: "preview"}
        assert (there(seen.stable).number, there(seen.canary).number, seen.updating) == (1, 2, True)
        assert f"revision 2 (localhost/argoproj/rollouts-demo:yellow) is preview, {NOTHING}" in str(seen)

    def test_once_promoted_the_new_one_is_active_even_before_it_is_stable(self, paused: World):
        seen = self.view(paused, active="yellow")
        assert (seen.set_weight, seen.actual_weight) == (100, 100)
        assert self.roles(seen) == {1: "", 2: "active"}
        assert seen.updating

    def test_a_weight_of_a_canary_that_it_once_was_says_nothing(self, paused: World):
        assert self.view(paused, active="blue", canary={"weights": {"canary": {"weight": 50}}}).actual_weight == 0

    def test_before_the_controller_has_seen_it_nothing_is_active(self, world: World):
        rollout = world.rollout()
        rollout["spec"]["strategy"] = {"blueGreen": {"activeService": "active"}}
        rollout["status"] = {}
        seen = RolloutView.of(rollout, [], [])
        assert (seen.phase, seen.set_weight, seen.updating) == ("Progressing", 0, True)
