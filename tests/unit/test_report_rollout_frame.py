from __future__ import annotations

import dataclasses

import pytest
from rich.cells import cell_len
from rich.console import ConsoleDimensions
from support.there import there
from watch_world import (
    HASHES,
    NOW,
    at_rest,
    blue_green,
    canary_strategy,
    counted,
    flowing,
    paused,
    pod,
    replica_set,
    state,
    traffic,
)

from canarylab.report.marks import ASCII, UNICODE
from canarylab.report.rollout.frame import frame
from canarylab.rollouts.routes.route_objects import RouteWeight
from canarylab.watch.state import Silence, WatchState
from canarylab.watch.traffic import GatewayTraffic
from canarylab.watch.view import WatchView

COMMAND = "kubectl argo rollouts {} --namespace shop --context unit-test"
LONG = (
    "failed to pull and unpack image web:red: failed to resolve reference web:red: " + "and so on " * 30 + "not found"
)


def shown(seen, width=110, height=40, marks=UNICODE, now=NOW):
    return [line.plain for line in frame(seen, now, marks, ConsoleDimensions(width, height), COMMAND)]


def line_of(lines, start):
    [found] = [line for line in lines if line.startswith(start)]
    return found


def in_trouble():
    status = [{"name": "web", "ready": False, "state": {"waiting": {"reason": "ErrImagePull", "message": LONG}}}]
    return dataclasses.replace(paused(), pods=[pod(1, "a1"), pod(2, "d4", containerStatuses=status)])


def many_pods(number):
    pods = [pod(1, f"p{n:02}") for n in range(number)] + [pod(2, "d4", ready=False)]
    return dataclasses.replace(paused(), replica_sets=[replica_set(1, number, number), replica_set(2, 1, 0)], pods=pods)


STATES = {
    "paused": state(paused(), canary=24),
    "at rest": state(at_rest(), canary=0),
    "blue-green": state(blue_green(), canary=0),
    "in trouble": state(in_trouble(), canary=0),
    "many pods": state(many_pods(40), canary=25),
    "no traffic": state(paused()),
    "silent": state(paused(), canary=25, silence=Silence(NOW, "Connection refused")),
    "astray": state(paused(), canary=0, mismatched=(RouteWeight("a-long-name-of-a-route, http route primary", 0),)),
}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("marks", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("width", [12, 20, 60, 72, 80, 120, 160])
def test_the_view_fits_every_window(name, marks, width):
    for height in (3, 12, 24):
        lines = shown(STATES[name], width, height, marks)
        assert len(lines) <= height
        assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("name", STATES)
def test_a_terminal_without_unicode_gets_ascii_only(name):
    assert all(line.isascii() for line in shown(STATES[name], marks=ASCII))


def test_it_looks_like_this():
    lines = shown(STATES["paused"], width=120)
    assert lines[0].startswith("── web  canary in shop ─────")
    assert lines[1:] == [
        "‖ Paused  CanaryPauseStep, 8 s left",
        "",
        "steps     1/4 done  ✔ setWeight 25  ▸ pause 20s (8 s left)  ○ setWeight 50  ○ pause",
        "weight    ━━━━━━━━━━──────────────────────────────      25 : 75  its route agrees, canary : stable",
        "traffic   ━━━━━━━━━━──────────────────────────────  24.0 : 76.0  100.0/s, 0 failed, 1,000 in 10 s",
        "replicas  3 wanted, 3 there, 0 updated, 0 ready, 3 available",
        "",
        "  revision                pods     age   requests    share  failed  each second",
        "● 2  canary  web:yellow    1/1     1 h     24.0/s   24.0 %       0  ▃▃▃▃▃▃▃▃▃▃",
        "  ✔ web-6fb857444-d4       1/1    30 s     24.0/s",
        "● 1  stable  web:blue      3/3     1 h     76.0/s   76.0 %       0  ██████████",
        "  ✔ web-65b87647b8-a1      1/1    30 s     76.0/s",
        "  ✔ web-65b87647b8-b2      1/1    30 s",
        "  ✔ web-65b87647b8-c3      1/1    30 s",
    ]


# -- steps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 110, 160])
@pytest.mark.parametrize("index", range(12))
def test_the_step_at_hand_is_always_in_sight(width, index):
    snapshot = paused(index=index)
    steps = tuple({"setWeight": 5 * n} if n % 2 else {"setCanaryScale": {"replicas": n}} for n in range(12))
    snapshot.rollout["spec"]["strategy"] = canary_strategy(steps)
    words = f"setWeight {5 * index}" if index % 2 else f"setCanaryScale replicas {index}"
    line = line_of(shown(state(snapshot), width), "steps ")
    assert f"▸ {words}" in line
    assert f"{index}/12 done" in line


def test_a_pause_without_an_end_waits_for_a_promotion_and_the_command_is_there():
    lines = shown(state(paused(index=3, weight=50)))
    assert "▸ pause (until it is promoted)" in line_of(lines, "steps ")
    assert lines[-1] == "next      kubectl argo rollouts promote web --namespace shop --context unit-test"


def test_a_long_command_can_be_pasted_as_it_stands():
    lines = shown(state(paused(index=3, weight=50)), width=60)
    command = "".join(line[10:].removesuffix("\\") for line in lines[lines.index(line_of(lines, "next ")) :])
    assert command == "kubectl argo rollouts promote web --namespace shop --context unit-test"


def test_time_goes_by_without_a_new_state():
    assert "(1 s left)" in line_of(shown(STATES["paused"], now=NOW + 7), "steps ")
    assert "(any moment)" in line_of(shown(STATES["paused"], now=NOW + 9), "steps ")


# -- weights and traffic ----------------------------------------------------------------------------------------------


def test_traffic_that_is_too_little_for_a_column_gets_one_all_the_same():
    view = WatchView.of(paused(weight=1))
    lines = shown(WatchState(view, flowing(view, canary=1)))
    assert line_of(lines, "traffic ").count("━") == 1


@pytest.mark.parametrize("canary", [0.4, 99.6])
def test_who_gets_anything_has_a_column_of_the_bar(canary):
    view = WatchView.of(paused())
    weights = dataclasses.replace(there(view.weights), actual=canary)
    line = line_of(shown(WatchState(dataclasses.replace(view, weights=weights), GatewayTraffic())), "weight ")
    assert "━" in line
    assert "─" in line


def test_failed_requests_stand_out():
    view = WatchView.of(paused())
    lines = frame(WatchState(view, flowing(view, errors=3)), NOW, UNICODE, ConsoleDimensions(110, 40), COMMAND)
    [line] = [line for line in lines if line.plain.startswith("traffic ")]
    assert "3 failed" in line.plain
    assert "bold red" in {str(span.style) for span in line.spans}


def test_a_route_that_disagrees_is_named():
    assert "a-long-name-of-a-route, http route primary says 0" in line_of(shown(STATES["astray"], 120), "weight ")


def test_a_weight_that_is_not_reached_yet_is_said():
    snapshot = paused(weight=10)
    assert "setWeight 25 not reached" in line_of(shown(state(snapshot)), "weight ")


def test_traffic_of_a_revision_that_should_have_none_is_shown():
    """After a promotion the former stable one should get nothing."""
    snapshot = at_rest()
    sets = [*snapshot.replica_sets, replica_set(2, 1, 1)]
    view = WatchView.of(dataclasses.replace(snapshot, replica_sets=sets, pods=[*snapshot.pods, pod(2, "d4")]))
    assert "10.0 : 90.0" in line_of(shown(WatchState(view, flowing(view, canary=10))), "traffic ")


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (GatewayTraffic("no gateway sends requests to it"), "no gateway sends requests to it"),
        (GatewayTraffic(), "counting"),
        (GatewayTraffic("", ("edge/gateway",), seconds=5.0), "no requests through edge/gateway"),
    ],
)
def test_without_traffic_it_says_why_and_takes_no_columns(counts, words):
    lines = shown(WatchState(WatchView.of(paused()), counts))
    assert line_of(lines, "traffic ") == f"traffic   {words}"
    assert "requests" not in line_of(lines, "  revision")


def test_the_history_is_of_one_scale_for_all_revisions():
    view = WatchView.of(paused())
    readings = (counted(("10.0.1.1", 80 * second, 0), ("10.0.2.4", 10 * second, 0)) for second in range(4))
    lines = shown(WatchState(view, traffic(view, *readings)))
    assert line_of(lines, "● 1").endswith("███")
    assert line_of(lines, "● 2").endswith("▂▂▂")


def test_the_history_is_scaled_by_what_is_seen_of_it():
    view = WatchView.of(at_rest())
    readings = (counted(("10.0.1.1", 10 * second + (1000 if second > 1 else 0), 0)) for second in range(40))
    seen = WatchState(view, traffic(view, *readings))
    assert "▂" in line_of(shown(seen, width=160), "● 1"), "the peak of the second second is in sight"
    assert "▂" not in line_of(shown(seen, width=90), "● 1")


# -- revisions and pods -----------------------------------------------------------------------------------------------


def test_a_narrow_window_leaves_out_columns_but_not_the_shares():
    header = line_of(shown(STATES["paused"], width=62), "  revision")
    assert "share" in header
    assert "requests" in header
    assert "failed" not in header


def test_a_long_trouble_keeps_its_beginning_and_its_end():
    lines = shown(STATES["in trouble"], width=80)
    first = next(n for n, line in enumerate(lines) if "ErrImagePull: failed to pull" in line)
    assert "…" in lines[first] + lines[first + 1]
    assert lines[first + 1].endswith("not found")


def test_a_small_window_shows_the_pods_that_matter_and_counts_the_others():
    lines = shown(STATES["many pods"], height=20)
    assert any(f"web-{HASHES[2]}-d4" in line for line in lines)
    [others] = [line for line in lines if "more pods" in line]
    there = sum(line.startswith(f"  ✔ web-{HASHES[1]}") for line in lines)
    assert others == f"    {40 - there} more pods, all ready"
    assert 19 <= len(lines) <= 20


def test_old_revisions_take_one_line():
    snapshot = at_rest()
    sets = [*snapshot.replica_sets, replica_set(2, 0, 0), replica_set(3, 0, 0)]
    assert shown(state(dataclasses.replace(snapshot, replica_sets=sets)))[-1] == "  revisions 3, 2: scaled down"


def test_images_are_told_apart_where_sidecars_are_the_same():
    snapshot = paused()
    for one in snapshot.replica_sets:
        one["spec"]["template"]["spec"]["containers"].append({"name": "log", "image": "registry/log:1"})
    lines = shown(state(snapshot))
    assert not any("log:1" in line for line in lines)


def test_a_digest_is_shortened():
    snapshot = paused()
    snapshot.replica_sets[1]["spec"]["template"]["spec"]["containers"][0]["image"] = "r/web@sha256:" + "0123456789" * 6
    assert "web@012345678901 " in line_of(shown(state(snapshot)), "● 2")


def test_an_old_revision_says_when_it_goes():
    snapshot = at_rest()
    old = replica_set(2, 1, 1, scale_down_deadline="2027-01-15T08:00:21Z")
    lines = shown(state(dataclasses.replace(snapshot, replica_sets=[*snapshot.replica_sets, old])))
    assert "    scales down in 21 s" in lines


# -- the head ---------------------------------------------------------------------------------------------------------


def test_an_api_server_that_does_not_answer_is_said_above_what_was_last_known():
    lines = shown(STATES["silent"])
    assert lines[2].startswith("! no answer since ")
    assert "Connection refused" in lines[2]
    assert line_of(lines, "weight ")


def test_a_long_message_takes_three_lines_at_most():
    snapshot = paused(phase="Degraded", message="RolloutAborted: " + "metric failed " * 40, abort=True)
    snapshot.rollout["status"].update(pauseConditions=[], controllerPause=False)
    lines = shown(state(snapshot), width=80)
    assert lines[1].startswith("✖ Degraded  RolloutAborted: ")
    assert lines[4] == ""
    assert lines[3].endswith("…")


def test_blue_green_shows_its_services():
    lines = shown(STATES["blue-green"])
    assert line_of(lines, "services ") == "services  web selects revision 1, web-preview selects revision 2"
    assert lines[1] == "‖ Paused  BlueGreenPause"


def test_an_analysis_has_a_line_of_its_own():
    metric = {"name": "success", "phase": "Running", "count": 3, "successful": 3, "measurements": [{"value": "99"}]}
    spec = {"metrics": [{"name": "success"}]}
    run = {"metadata": {"name": "web-2"}, "spec": spec, "status": {"phase": "Running", "metricResults": [metric]}}
    lines = shown(state(dataclasses.replace(paused(), analysis_runs=[("step", run)])))
    assert line_of(lines, "analysis ") == "analysis  step, Running: success 3 of 3 good, last 99"
