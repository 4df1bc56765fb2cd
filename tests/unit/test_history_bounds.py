"""What is claimed of every state of a history, and how it is told in a line."""

from __future__ import annotations

import pytest
from history_world import NEW, OLD, ROUTED, at_rest, pod, pods, replica_set, rollout, states

from canarylab.demo.history.bounds import least_stable, peak, promised
from canarylab.demo.history.recording import heading, timeline

ONE = {"maxSurge": 1, "maxUnavailable": 1}


def broken(listed, *changes):
    """The claims that don't hold, as they are said."""
    return [str(claim) for claim in promised(states(listed, *changes)) if not claim.holds]


class TestSurge:
    def test_a_rolling_update_within_its_bounds_keeps_them_all(self):
        told = states(
            at_rest(**ONE),
            replica_set(NEW, 1, available=0),
            pod(NEW, 0, ready=False),
            replica_set(OLD, 3),
            pod(OLD, 0, leaving=True),
            pod(NEW, 0),
            replica_set(NEW, 1),
        )
        claims = promised(told)
        assert [claim.text for claim in claims] == [
            "pods that the ReplicaSets want",
            "pods that the ReplicaSets want",
            "pods that don't terminate",
            "available pods",
        ]
        assert all(claim.holds for claim in claims)
        assert [claim.seen for claim in claims] == ["5 at most", "4 at least", "5 at most", "3 at least"]
        assert claims[0].expected == "at most 5, at every moment (4 replicas + maxSurge 1)"
        assert claims[3].expected == "at least 3, at every moment (4 replicas - maxUnavailable 1)"

    def test_one_pod_too_many_for_one_moment_is_named_with_the_moment(self):
        told = broken(
            at_rest(**ONE), replica_set(NEW, 1), pod(NEW, 0), pod(NEW, 1), pod(NEW, 1, leaving=True), pod(NEW, 0)
        )
        assert told == [
            "pods that don't terminate: expected at most 5, at every moment (4 replicas + maxSurge 1), saw 6 at most, "
            "at 3.00 s (resourceVersion 103): revision 1 wants 4 and has 4, 4 available; "
            "revision 2 wants 1 and has 2, 1 available"
        ]

    def test_replica_sets_that_want_too_many_break_it_before_there_is_a_pod(self):
        (said,) = broken(at_rest(**ONE), replica_set(NEW, 2, available=0))
        assert said.startswith("pods that the ReplicaSets want: expected at most 5")
        assert "saw 6 at most, at 1.00 s" in said

    def test_replica_sets_that_want_too_few_break_it_before_a_pod_is_gone(self):
        (said,) = broken(at_rest(**ONE), replica_set(OLD, 2, counted=4, available=4))
        assert said.startswith("pods that the ReplicaSets want: expected at least 3")

    def test_a_pod_that_fails_on_the_way_is_missed(self):
        (said,) = broken(at_rest(**ONE), pod(OLD, 0, ready=False), pod(OLD, 1, ready=False), pod(OLD, 0), pod(OLD, 1))
        assert said.startswith("available pods: expected at least 3")
        assert "saw 2 at least, at 2.00 s (resourceVersion 102)" in said

    def test_a_pod_that_is_only_still_to_be_deleted_breaks_nothing_and_is_reported(self):
        told = states(
            at_rest(**ONE),
            replica_set(NEW, 1, available=0),
            pod(NEW, 0, ready=False),
            replica_set(OLD, 3, counted=4),
            replica_set(NEW, 2, available=0),
            pod(NEW, 1, ready=False),
            pod(OLD, 0, leaving=True),
        )
        terminating = promised(told)[2]
        assert terminating.holds
        assert terminating.seen == "5 at most, 6 with those that a ReplicaSet no longer wanted"

    def test_the_bound_is_that_of_the_moment(self):
        """The spec may change on the way."""
        assert broken(at_rest(**ONE), rollout(4, maxSurge=2, maxUnavailable=1), replica_set(NEW, 2)) == []
        assert broken(at_rest(**ONE), replica_set(NEW, 2), rollout(4, maxSurge=2, maxUnavailable=1)) != []


def split(stable, canary, weights):
    """So many pods of both, all available."""
    sets = [replica_set(OLD, stable), replica_set(NEW, canary)]
    return [rollout(weights=weights, **ROUTED), *sets, *pods(OLD, stable), *pods(NEW, canary)]


class TestWeights:
    def test_each_revision_with_pods_enough_for_its_weight_keeps_it(self):
        (claim,) = promised(states(split(3, 1, (75, 25))))
        assert claim.holds
        assert claim.seen == "1 at the tightest, for the canary's weight of 25, which needs 1"

    def test_stable_that_shrinks_before_its_weight_does_breaks_it(self):
        (said,) = broken(
            split(4, 1, (100, 0)),
            pod(OLD, 0, leaving=True),
            rollout(weights=(75, 25), **ROUTED),
        )
        assert "saw 3 at the tightest, for the stable's weight of 100, which needs 4, at 1.00 s" in said

    def test_stable_that_gets_weight_back_before_its_pods_breaks_it(self):
        changes = [pod(OLD, 1, ready=False), rollout(weights=(50, 50), **ROUTED), pod(OLD, 1)]
        (said,) = broken(split(1, 3, (25, 75)), replica_set(OLD, 2), *changes)
        assert "1 at the tightest, for the stable's weight of 50, which needs 2, at 3.00 s" in said

    def test_stable_that_has_its_pods_back_before_its_weight_keeps_it(self):
        changes = [replica_set(OLD, 2), pod(OLD, 1), rollout(weights=(50, 50), **ROUTED), pod(NEW, 2, leaving=True)]
        assert broken(split(1, 3, (25, 75)), *changes) == []

    def test_a_canary_that_gets_weight_before_its_pods_breaks_it(self):
        changes = [rollout(weights=(50, 50), **ROUTED), replica_set(NEW, 2), pod(NEW, 1)]
        (said,) = broken(split(3, 1, (75, 25)), *changes)
        assert "1 at the tightest, for the canary's weight of 50, which needs 2, at 1.00 s" in said

    def test_a_canary_may_shrink_for_the_weight_that_the_status_shows_next(self):
        """The router has it already: Argo scales the canary by it, and writes the status last."""
        changes = [pod(NEW, 0, leaving=True), rollout(weights=(100, 0), **ROUTED)]
        assert broken(split(4, 1, (75, 25)), *changes) == []

    def test_but_not_for_a_weight_after_that(self):
        changes = [
            pod(NEW, 0, leaving=True),
            pod(NEW, 1, leaving=True),
            rollout(weights=(75, 25), **ROUTED),
            rollout(weights=(100, 0), **ROUTED),
        ]
        (said,) = broken(split(4, 2, (50, 50)), *changes)
        assert "0 at the tightest, for the canary's weight of 50, which needs 1, at 2.00 s" in said

    def test_nor_if_the_weight_never_changes(self):
        (said,) = broken(split(4, 1, (75, 25)), pod(NEW, 0, ready=False), pod(NEW, 0))
        assert "0 at the tightest, for the canary's weight of 25, which needs 1, at 1.00 s" in said

    def test_a_status_without_weights_proves_nothing(self):
        (said,) = broken(at_rest(**ROUTED))
        assert said.endswith("saw no weight in the Rollout's status")


def test_for_blue_green_nothing_is_promised():
    obj = rollout()
    obj["spec"]["strategy"] = {"blueGreen": {}}
    assert promised(states([obj])) == []


@pytest.mark.parametrize(("pods_expected", "holds"), [(5, True), (6, False), (4, False)])
def test_the_peak_is_exactly_what_it_was(pods_expected, holds):
    told = states(at_rest(**ROUTED), replica_set(NEW, 1), pod(NEW, 0), pod(NEW, 0, leaving=True))
    claim = peak(told, pods_expected)
    assert claim.holds is holds
    assert claim.seen.startswith("5" if holds else "5, at 2.00 s")


@pytest.mark.parametrize(("expected", "holds"), [(3, True), (2, False), (4, False)])
def test_the_fewest_of_stable_are_of_whichever_was_stable_then(expected, holds):
    changes = [pod(OLD, 0, ready=False), rollout(stable=NEW), *(pod(OLD, number, ready=False) for number in range(4))]
    told = states([*at_rest(), replica_set(NEW, 4), *pods(NEW, 4)], *changes)
    assert least_stable(told, expected).holds is holds


class TestLine:
    def test_each_entry_is_a_change_of_what_is_shown(self):
        told = states(
            at_rest(),
            replica_set(NEW, 1, available=0),
            pod(NEW, 0, ready=False),
            pod(NEW, 0),
            replica_set(NEW, 1),
            replica_set(OLD, 3),
            pod(OLD, 0, leaving=True),
        )
        assert heading(told) == "revision 1 + revision 2: available/pods"
        assert timeline(told) == "0.0 s 4+0, 2.0 s 4+0/1, 4.0 s 4+1, 5.0 s 3/4+1, 6.0 s 3+1"

    def test_weights_stand_beside_the_pods_in_the_same_order(self):
        told = states(split(4, 1, (100, 0)), rollout(weights=(75, 25), **ROUTED))
        assert heading(told).endswith(", weights in the status")
        assert timeline(told) == "0.0 s 4+1 100:0, 1.0 s 4+1 75:25"

    def test_a_long_history_is_cut_in_the_middle(self):
        flapping = [pod(OLD, 0, ready=bool(number % 2)) for number in range(99)]
        line = timeline(states(at_rest(), *flapping))
        assert line.count(" s ") == 50
        assert "(50 more)" in line
        assert line.endswith("99.0 s 3/4")

    def test_a_revision_is_called_as_it_came_up_though_a_rollback_gives_it_a_new_number(self):
        again = replica_set(OLD, 4)
        again["metadata"]["annotations"] = {"rollout.argoproj.io/revision": "3"}
        assert heading(states(at_rest(), again)) == "revision 1: available/pods"

    def test_a_rollout_without_a_revision_has_a_line_too(self):
        assert heading(states([rollout()])) == "no revision: available/pods"
