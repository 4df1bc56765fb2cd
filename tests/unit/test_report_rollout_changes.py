from __future__ import annotations

import dataclasses

from watch_world import HASHES, NOW, at_rest, blue_green, paused, pod, replica_set, state

from canarylab.report.lines import as_text
from canarylab.report.rollout.changes import changes, timed
from canarylab.rollouts.routes.route_objects import RouteWeight
from canarylab.watch.state import Silence


def said(before, after):
    return [as_text(line) for line in changes(before, after)]


def with_pods(snapshot, *pods):
    return dataclasses.replace(snapshot, pods=list(pods))


def test_the_first_state_is_reported_as_a_whole():
    assert said(None, state(paused())) == [
        "shop/web: Paused (CanaryPauseStep)",
        "1/4 steps done, now pause 20s",
        "weight 25 to the canary",
        "revision 1 (stable): localhost/argoproj/web:blue",
        "revision 1 (stable): 3/3 pods ready",
        "revision 2 (canary): localhost/argoproj/web:yellow",
        "revision 2 (canary): 1/1 pods ready",
    ]


def test_nothing_is_reported_twice():
    assert said(state(paused()), state(paused())) == []


def test_traffic_alone_is_no_change():
    assert said(state(paused(), canary=25), state(paused(), canary=26)) == []


def test_the_next_step_is_reported_with_its_weight_and_with_the_traffic_until_then():
    assert said(state(paused(), canary=24), state(paused(index=3, weight=50))) == [
        "until now 24.0 % to revision 2, 76.0 % to revision 1, of 1,000 requests in 10 s, 0 failed",
        "3/4 steps done, now pause",
        "weight 50 to the canary",
    ]


def test_what_becomes_of_a_revision_is_reported():
    after = dataclasses.replace(at_rest(), replica_sets=[replica_set(1, 3, 3), replica_set(2, 0, 0)])
    assert said(state(paused()), state(after)) == [
        "Healthy",
        "4/4 steps done",
        "revision 2 isn't canary any more",
        "revision 2: scaled down",
    ]


def test_pods_are_counted_as_they_get_ready_and_as_they_go():
    def with_canary(wanted, ready):
        return state(dataclasses.replace(paused(), replica_sets=[replica_set(1, 3, 3), replica_set(2, wanted, ready)]))

    assert said(with_canary(2, 0), with_canary(2, 1)) == ["revision 2 (canary): 1/2 pods ready"]
    assert said(with_canary(2, 2), with_canary(0, 2)) == ["revision 2 (canary): scales down, 2 pods still ready"]


def test_a_pod_in_trouble_is_reported_once_however_its_words_change():
    def waiting(reason):
        status = [{"name": "web", "ready": False, "state": {"waiting": {"reason": reason, "message": "no such image"}}}]
        return state(with_pods(paused(), pod(2, "d4", containerStatuses=status)))

    well = state(with_pods(paused(), pod(2, "d4")))
    name = f"web-{HASHES[2]}-d4"
    assert said(well, waiting("ErrImagePull")) == [f"Pod {name}: container web: ErrImagePull: no such image"]
    assert said(waiting("ErrImagePull"), waiting("ImagePullBackOff")) == []


def test_a_restart_is_reported():
    def restarted(times):
        status = [{"name": "web", "ready": True, "restartCount": times, "state": {"running": {}}}]
        return state(with_pods(paused(), pod(2, "d4", containerStatuses=status)))

    assert said(restarted(1), restarted(2)) == [f"Pod web-{HASHES[2]}-d4 has restarted, 2 times by now"]


def test_a_service_that_selects_another_revision_is_reported():
    after = blue_green()
    after.rollout["status"]["blueGreen"]["activeSelector"] = HASHES[2]
    lines = said(state(blue_green()), state(after))
    assert "Service web selects revision 2" in lines
    assert "revision 1 isn't active any more" in lines


def test_an_aborted_canary_has_no_step_at_hand():
    after = paused(index=0, weight=0, phase="Degraded", message="RolloutAborted: by hand", abort=True)
    after.rollout["status"].update(pauseConditions=[], controllerPause=False)
    lines = said(state(paused()), state(after))
    assert lines == ["Degraded (RolloutAborted: by hand)", "weight 0 to the canary"]


def test_a_route_that_stays_astray_is_reported_once():
    mismatched = (RouteWeight("web, http route primary", 0),)
    before, after = state(paused()), state(paused(), mismatched=mismatched)
    assert said(before, after) == ["web, http route primary says 0 to the canary, the status says otherwise"]
    assert said(after, after) == []


def test_an_api_server_that_goes_away_and_comes_back_is_reported():
    well, away = state(paused()), state(paused(), silence=Silence(NOW, "Connection refused"))
    [line] = said(well, away)
    assert line.startswith("no answer since ")
    assert line.endswith(": Connection refused")
    assert said(away, away) == []
    assert said(away, well) == ["the API server answers again"]


def test_a_line_stands_behind_its_time_of_day():
    [line] = changes(state(paused()), state(paused(), silence=Silence(NOW, "no route")))
    text = as_text(timed(line, NOW))
    assert text[2:6:3] == "::"
    assert text[8:].startswith("  no answer since ")
