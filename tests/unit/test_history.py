"""A Rollout's history, replayed from the events of watches."""

from __future__ import annotations

import pytest
from history_world import NEW, OLD, ROLLOUT, ROUTED, START, at_rest, gone, pod, pods, replica_set, rollout, states

from canarylab.demo.history.states import TrafficWeight, WatchEvent, fenceposts, replay
from canarylab.demo.history.stream import check_order, number
from canarylab.errors import ExpectationError


def counts(state):
    return {digest: (scale.wanted, scale.pods, scale.available) for digest, scale in state.revisions.items()}


class TestReplay:
    def test_it_begins_with_what_was_listed(self):
        (state,) = states(at_rest())
        assert (state.version, state.seconds) == (START, 0.0)
        assert counts(state) == {OLD: (4, 4, 4)}

    def test_every_change_makes_a_state(self):
        told = states(at_rest(), replica_set(NEW, 1, available=0), pod(NEW, 0, ready=False), pod(NEW, 0))
        assert [counts(state).get(NEW) for state in told] == [None, (1, 0, 0), (1, 1, 0), (1, 1, 0)]
        assert [state.version for state in told] == [START, START + 1, START + 2, START + 3]

    def test_changes_are_in_the_order_of_their_versions_in_whichever_they_arrived(self):
        late = WatchEvent(START + 1, 9.0, False, replica_set(NEW, 1))
        early = WatchEvent(START + 2, 2.0, False, pod(NEW, 0))
        told = replay(at_rest(), [early, late], ROLLOUT, START, START + 2)
        assert [(state.version, state.seconds) for state in told] == [(START, 0.0), (START + 1, 9.0), (START + 2, 9.0)]

    def test_changes_between_two_lists_belong_to_the_beginning(self):
        early = WatchEvent(START - 3, 0.1, False, pod(OLD, 9))
        (state,) = replay(at_rest(), [early], ROLLOUT, START, START)
        assert counts(state) == {OLD: (4, 5, 4)}

    def test_changes_after_the_end_are_left_out(self):
        late = WatchEvent(START + 5, 1.0, False, pod(OLD, 9))
        assert len(replay(at_rest(), [late], ROLLOUT, START, START + 4)) == 1

    def test_objects_of_others_make_no_state(self):
        other = {**pod(OLD, 7), "metadata": {"uid": "x", "ownerReferences": [{"uid": "somebody else"}]}}
        theirs = rollout()
        theirs["metadata"] = {**theirs["metadata"], "uid": "theirs"}
        assert len(states(at_rest(), other, theirs)) == 1

    def test_it_ends_where_the_rollout_is_deleted(self):
        assert len(states(at_rest(), pod(OLD, 0, ready=False), gone(rollout()), pod(OLD, 0))) == 2

    def test_a_pod_that_is_gone_counts_no_more(self):
        assert counts(states(at_rest(), gone(pod(OLD, 0)))[-1]) == {OLD: (4, 3, 3)}


class TestPods:
    @pytest.mark.parametrize(
        "change", [pod(OLD, 0, leaving=True), pod(OLD, 0, phase="Failed"), pod(OLD, 0, phase="Succeeded")]
    )
    def test_one_that_terminates_or_has_ended_does_not_count(self, change):
        assert counts(states(at_rest(), change)[-1]) == {OLD: (4, 3, 3)}

    def test_one_that_is_not_ready_is_not_available(self):
        assert counts(states(at_rest(), pod(OLD, 0, ready=False))[-1]) == {OLD: (4, 4, 3)}

    def test_one_is_available_only_when_the_status_says_so_too_as_min_ready_seconds_are_known_there_alone(self):
        assert counts(states(at_rest(), replica_set(OLD, 4, available=2))[-1]) == {OLD: (4, 4, 2)}

    @pytest.mark.parametrize("behind", [replica_set(OLD, 3, observed=False), replica_set(OLD, 3, counted=4)])
    def test_what_a_replica_set_is_about_to_delete_is_due(self, behind):
        state = states(at_rest(), behind)[-1]
        assert (state.revisions[OLD].pods, state.surplus, state.pods) == (4, 1, 3)

    def test_a_replica_set_that_has_more_pods_than_it_wants_and_is_content_has_none_due(self):
        state = states([*at_rest(), pod(OLD, 9)])[-1]
        assert (state.surplus, state.pods) == (0, 5)


class TestRollout:
    def test_weights_are_those_of_the_status_by_revision(self):
        (state,) = states([rollout(weights=(75, 25), **ROUTED)])
        assert state.weights == (TrafficWeight("stable", OLD, 75), TrafficWeight("canary", NEW, 25))
        assert state.promise == "weights"

    def test_without_a_router_there_are_no_weights(self):
        (state,) = states(at_rest())
        assert (state.weights, state.promise) == ((), "surge")

    def test_blue_green_promises_neither(self):
        obj = rollout()
        obj["spec"]["strategy"] = {"blueGreen": {}}
        assert states([obj])[0].promise == ""

    @pytest.mark.parametrize(
        ("replicas", "weight", "needed"), [(4, 25, 1), (4, 0, 0), (4, 90, 3), (1, 5, 1), (10, 5, 1), (4, 100, 4)]
    )
    def test_a_weight_needs_its_part_of_the_replicas_rounded_down_but_one_pod_at_least(self, replicas, weight, needed):
        (state,) = states([rollout(replicas, weights=(100 - weight, weight), **ROUTED)])
        assert state.needed(state.weights[1]) == needed

    def test_weights_are_out_of_the_most_that_the_router_knows(self):
        (state,) = states([rollout(weights=(750, 250), trafficRouting={"maxTrafficWeight": 1000})])
        assert [state.needed(share) for share in state.weights] == [3, 1]


@pytest.mark.parametrize(
    ("replicas", "canary", "pods"),
    [
        (4, {}, (1, 1)),
        (10, {}, (3, 2)),
        (4, {"maxSurge": "30%", "maxUnavailable": "30%"}, (2, 1)),
        (4, {"maxSurge": "30", "maxUnavailable": "30"}, (2, 1)),
        (5, {"maxSurge": 2, "maxUnavailable": 0}, (2, 0)),
        (1, {}, (1, 0)),
        (3, {"maxSurge": 0, "maxUnavailable": "10%"}, (0, 1)),
        (2, {"maxSurge": 0, "maxUnavailable": 5}, (0, 2)),
        (0, {"maxSurge": 0, "maxUnavailable": 0}, (0, 0)),
    ],
)
def test_max_surge_rounds_up_and_max_unavailable_down(replicas, canary, pods):
    assert fenceposts(rollout(replicas, **canary), replicas) == pods


class TestVersions:
    def test_a_version_is_a_number(self):
        assert number("7555") == 7555

    @pytest.mark.parametrize("version", ["", "abc", "1.5", "-3"])
    def test_one_that_is_none_leads_to_no_history(self, version):
        with pytest.raises(ExpectationError, match="isn't a number"):
            number(version)

    def test_versions_of_one_counter_do_not_fall(self):
        check_order([7, 7, 9, 9, 12, 12])

    def test_kinds_that_are_counted_apart_have_no_order(self):
        with pytest.raises(ExpectationError, match="aren't from one counter") as raised:
            check_order([7000, 7000, 12])
        assert "listed in turn, they were at 7000, 7000, 12" in str(raised.value)


def test_several_revisions_add_up():
    state = states([rollout(), replica_set(OLD, 3), replica_set(NEW, 2, available=1), *pods(OLD, 3), *pods(NEW, 2)])[0]
    assert (state.wanted, state.pods, state.available) == (5, 5, 4)
    assert str(state) == ("revision 1 wants 3 and has 3, 3 available; revision 2 wants 2 and has 2, 1 available")
