from __future__ import annotations

import dataclasses

import pytest
from support.there import there
from watch_world import HASHES, NOW, at_rest, blue_green, canary_strategy, paused, pod, replica_set, rollout

from canarylab.watch.snapshot import RolloutSnapshot
from canarylab.watch.view import WatchView


def test_a_pause_says_at_which_step_it_is_and_when_it_ends():
    view = WatchView.of(paused())
    assert (view.rollout.status, there(view.steps).index, there(view.steps).current) == (
        "Paused (CanaryPauseStep)",
        1,
        "pause 20s",
    )
    assert view.ends_at == NOW + 8
    assert view.advice == ""


def test_a_pause_without_an_end_asks_for_somebody_to_promote():
    view = WatchView.of(paused(index=3, weight=50))
    assert view.ends_at is None
    assert view.advice == "promote web"


def test_somebody_elses_pause_has_no_end_even_at_a_step_that_has():
    snapshot = paused()
    snapshot.rollout["spec"]["paused"] = True
    assert WatchView.of(snapshot).ends_at is None


def test_what_was_aborted_can_be_tried_again():
    snapshot = paused(phase="Degraded", message="RolloutAborted", abort=True, pauseConditions=[], controllerPause=False)
    view = WatchView.of(snapshot)
    assert view.rollout.aborted
    assert view.advice == "retry rollout web"


def test_who_should_get_how_much_goes_by_the_status():
    view = WatchView.of(paused(weight=25))
    assert [(one.role, share) for one, share in view.split] == [("canary", 25.0), ("stable", 75.0)]
    assert (there(view.weights).set, there(view.weights).actual, there(view.weights).routed) == (25, 25, True)


def test_weights_may_have_another_whole_than_100():
    snapshot = paused(weight=250)
    snapshot.rollout["spec"]["strategy"]["canary"]["trafficRouting"]["maxTrafficWeight"] = 1000
    assert [share for _, share in WatchView.of(snapshot).split] == [25.0, 75.0]


def test_what_an_experiment_gets_is_not_stables():
    snapshot = paused(weight=25)
    additional = [{"weight": 10, "serviceName": "web-experiment", "podTemplateHash": "5d4c"}]
    snapshot.rollout["status"]["canary"]["weights"]["additional"] = additional
    view = WatchView.of(snapshot)
    assert view.rollout.experimental == {"5d4c": 10.0}
    assert [(one.role, share) for one, share in view.split] == [("canary", 25.0), ("stable", 65.0)]


def test_at_rest_stable_gets_everything_and_all_steps_are_done():
    view = WatchView.of(at_rest())
    assert [(one.number, share) for one, share in view.split] == [(1, 100.0)]
    assert there(view.steps).current == ""
    assert not view.rollout.updating


def test_a_route_that_says_something_else_than_the_status_is_astray():
    assert there(WatchView.of(paused(weight=25)).weights).mismatched == ()
    [route] = there(WatchView.of(paused(weight=25, route=0)).weights).mismatched
    assert (route.where, route.canary) == ("web, http route primary", 0)


def test_without_a_router_the_pods_are_the_weights_and_a_changed_pod_changes_the_split():
    snapshot = paused()
    snapshot.rollout["spec"]["strategy"] = canary_strategy(routed=False)
    before = WatchView.of(dataclasses.replace(snapshot, replica_sets=[replica_set(1, 3, 2), replica_set(2, 1, 1)]))
    after = WatchView.of(snapshot)
    assert not there(after.weights).routed
    assert before.split_key != after.split_key


def test_a_first_deployment_has_nothing_to_weigh_against():
    first = rollout(canary_strategy(), phase="Progressing", currentPodHash=HASHES[1], currentStepIndex=4)
    view = WatchView.of(RolloutSnapshot(first, [replica_set(1, 3, 0)], [pod(1, "a1", ready=False)]))
    assert view.weights is None
    assert view.split == ()
    assert [one.role for one in view.revisions] == ["canary"]


def test_blue_green_says_which_service_selects_which_revision():
    view = WatchView.of(blue_green())
    assert view.services == (("web", 1), ("web-preview", 2))
    assert [one.role for one in view.revisions] == ["preview", "active"]
    assert [(one.number, share) for one, share in view.split] == [(1, 100.0)]
    assert view.advice == "promote web"


def test_blue_green_may_promote_by_itself():
    snapshot = blue_green()
    snapshot.rollout["spec"]["strategy"]["blueGreen"]["autoPromotionSeconds"] = 30
    view = WatchView.of(snapshot)
    assert view.ends_at == NOW + 18
    assert view.advice == ""


def test_an_old_revision_says_when_it_is_scaled_down():
    snapshot = at_rest()
    old = replica_set(2, 1, 1, scale_down_deadline="2027-01-15T08:00:21Z")
    [found, _] = WatchView.of(dataclasses.replace(snapshot, replica_sets=[*snapshot.replica_sets, old])).revisions
    assert found.scales_down_at == NOW + 21
    assert found.is_shown


def test_a_revision_without_role_and_pods_is_only_there_for_a_rollback():
    snapshot = at_rest()
    view = WatchView.of(dataclasses.replace(snapshot, replica_sets=[*snapshot.replica_sets, replica_set(2, 0, 0)]))
    assert [one.is_shown for one in view.revisions] == [False, True]


def test_an_address_leads_to_the_revision_that_answers_there():
    found = WatchView.of(paused()).revision_by_address
    assert {address: one.number for address, one in found.items()} == {
        "10.0.1.1": 1,
        "10.0.1.2": 1,
        "10.0.1.3": 1,
        "10.0.2.4": 2,
    }


@pytest.mark.parametrize(
    ("state", "seen", "trouble"),
    [
        ({"waiting": {"reason": "ContainerCreating"}}, "ContainerCreating", ""),
        (
            {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}},
            "ImagePullBackOff",
            "container web: ImagePullBackOff: Back-off pulling image",
        ),
    ],
)
def test_a_pod_says_what_it_is_doing_and_what_is_in_its_way(state, seen, trouble):
    status = [{"name": "web", "ready": False, "restartCount": 2, "state": state}]
    snapshot = dataclasses.replace(paused(), pods=[pod(2, "d4", containerStatuses=status)])
    [found] = WatchView.of(snapshot).revisions[0].pods
    assert (found.state, found.own_words, found.restarts, found.ready) == (seen, trouble, 2, "0/1")
    assert not found.is_ready


def test_a_pod_that_is_leaving_is_terminating_whatever_its_containers_do():
    leaving = pod(2, "d4")
    leaving["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    [found] = WatchView.of(dataclasses.replace(paused(), pods=[leaving])).revisions[0].pods
    assert found.state == "Terminating"


def test_a_replica_set_says_why_it_has_no_pods():
    refused = replica_set(2, 1, 0)
    condition = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"}
    refused["status"]["conditions"] = [condition]
    view = WatchView.of(dataclasses.replace(paused(), replica_sets=[refused]))
    assert view.revisions[0].trouble == "exceeded quota: small"


def test_an_analysis_says_what_it_measured_last():
    run = {
        "metadata": {"name": "web-2-1"},
        "spec": {"metrics": [{"name": "success"}, {"name": "slow"}, {"name": "not begun"}]},
        "status": {
            "phase": "Running",
            "metricResults": [
                {
                    "name": "success",
                    "phase": "Running",
                    "count": 3,
                    "successful": 2,
                    "measurements": [{"value": "0.98"}],
                },
                {"name": "slow", "phase": "Error", "error": 1, "measurements": [{"message": "no such host"}]},
            ],
        },
    }
    [found] = WatchView.of(dataclasses.replace(paused(), analysis_runs=[("step", run)])).analyses
    assert str(found) == (
        "step analysis Running: success 2 of 3 good, last 0.98; slow 0 of 0 good, 1 without an answer (no such host)"
    )


def test_an_analysis_that_has_not_begun_says_so():
    run = {"metadata": {"name": "web-2-1"}}
    [found] = WatchView.of(dataclasses.replace(paused(), analysis_runs=[("background", run)])).analyses
    assert str(found) == "background analysis Pending: nothing measured yet"
