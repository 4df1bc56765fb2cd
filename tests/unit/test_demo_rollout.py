"""The view of a Rollout against what the plugin shows for the same objects."""

from __future__ import annotations

import pytest
from demo_world import HASHES, World, pod

from canarylab.demo.rollout import PodView, RolloutView


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
    assert (seen.stable.number, seen.canary, seen.updating) == (1, None, False)
    assert seen.replicas.desired == seen.replicas.current == seen.replicas.available == 1


def test_paused_it_is_row_13_of_the_notes(paused: World):
    seen = view(paused)
    assert (seen.status, seen.step) == ("Paused (CanaryPauseStep)", "1/2")
    assert (seen.set_weight, seen.actual_weight) == (5, 5)
    assert (seen.canary.number, seen.canary.hash) == (2, HASHES["yellow"])
    assert (seen.stable.number, seen.stable.hash) == (1, HASHES["blue"])
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
    assert PodView.of(going).leaving
    assert not PodView.of(pod("blue")).leaving


def test_why_a_pod_does_not_get_ready_is_said_in_its_own_words(world: World):
    broken = pod("blue", ready=False)
    waiting = {"reason": "ErrImageNeverPull", "message": "image is not present"}
    broken["status"]["containerStatuses"][0]["state"] = {"waiting": waiting}
    seen = RolloutView.of(world.rollout(), world.replica_sets(), [broken])
    assert "ErrImageNeverPull" in seen.trouble
