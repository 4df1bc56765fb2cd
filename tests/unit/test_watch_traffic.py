from __future__ import annotations

import pytest
from watch_world import GATEWAY, counted

from canarylab.watch.traffic import WINDOW, Counted, Meter, Reading

REVISIONS = {"10.0.1.1": "blue", "10.0.1.2": "blue", "10.0.2.4": "yellow"}


def metered(*readings: Reading, every: float = 1.0) -> Meter:
    meter = Meter()
    for position, reading in enumerate(readings):
        meter.add(reading, REVISIONS, position * every)
    return meter


def test_what_was_counted_before_it_was_watched_is_no_traffic_of_now():
    traffic = metered(counted(("10.0.1.1", 5000, 7))).traffic()
    assert (traffic.problem, traffic.requests, traffic.seconds) == ("counting", 0, 0.0)


def test_shares_and_rates_are_of_what_the_counters_grew():
    readings = [
        counted(("10.0.1.1", 5000 + 15 * n, 0), ("10.0.1.2", 15 * n, 0), ("10.0.2.4", 10 * n, n)) for n in range(4)
    ]
    traffic = metered(*readings).traffic()
    assert (traffic.requests, traffic.errors, traffic.seconds, traffic.rate) == (120, 3, 3.0, 40.0)
    assert {name: (flow.share, flow.rate, flow.errors) for name, flow in traffic.flows.items()} == {
        "blue": (75.0, 30.0, 0),
        "yellow": (25.0, 10.0, 3),
    }
    assert traffic.pods == {"10.0.1.1": 15.0, "10.0.1.2": 15.0, "10.0.2.4": 10.0}
    assert traffic.flows["yellow"].history == (10, 10, 10)


def test_the_same_address_in_several_clusters_of_envoy_is_counted_together():
    def reading(n):
        counters = {(GATEWAY, name, "10.0.1.1"): Counted("10.0.1.1", n, 0) for name in ("canary|80", "stable|80")}
        return Reading(counters, (GATEWAY,))

    assert metered(reading(0), reading(5)).traffic().requests == 10


def test_an_endpoint_that_is_new_counts_from_nothing():
    traffic = metered(counted(("10.0.1.1", 10, 0)), counted(("10.0.1.1", 20, 0), ("10.0.2.4", 4, 1))).traffic()
    assert (traffic.flows["yellow"].requests, traffic.flows["yellow"].errors) == (4, 1)


def test_a_proxy_that_began_anew_counts_from_nothing():
    assert metered(counted(("10.0.1.1", 900, 0)), counted(("10.0.1.1", 7, 0))).traffic().requests == 7


def test_a_gateway_that_is_seen_for_the_first_time_may_have_counted_for_days():
    other = Reading({("other/gateway", "web", "10.0.1.1"): Counted("10.0.1.1", 10**6, 0)}, (GATEWAY, "other/gateway"))
    assert metered(counted(("10.0.1.1", 1, 0)), other).traffic().requests == 0


def test_other_applications_behind_the_same_gateway_are_not_looked_at():
    readings = [counted(("10.0.1.1", n, 0), ("10.9.9.9", 1000 * n, 0)) for n in range(3)]
    assert metered(*readings).traffic().requests == 2


def test_a_new_split_is_counted_anew_once_the_proxies_can_have_heard_of_it():
    meter = Meter()
    meter.expect("25", 0.0)
    for second in range(10):
        meter.add(counted(("10.0.1.1", 100 * second, 0), ("10.0.2.4", 0, 0)), REVISIONS, second)
        if second == 5:
            meter.expect("50", 5.2)
            assert meter.traffic().requests == 0
    traffic = meter.traffic()
    assert (traffic.seconds, traffic.requests) == (2.0, 200), "only what began at 6.2 or later counts"
    assert len(traffic.flows["blue"].history) == 9, "what went on each second stays"


def test_an_unchanged_split_goes_on_being_counted():
    meter = metered(counted(("10.0.1.1", 0, 0)))
    for second in range(1, 4):
        meter.expect("25", second - 0.5)
        meter.add(counted(("10.0.1.1", second, 0)), REVISIONS, second)
    assert meter.traffic().requests == 3


def test_shares_are_of_the_last_minute_and_rates_of_the_last_seconds():
    readings = [counted(("10.0.1.1", 10 * min(n, 90), 0)) for n in range(101)]
    traffic = metered(*readings).traffic()
    assert traffic.seconds == WINDOW
    assert traffic.requests == 500
    assert traffic.rate == 0.0


def test_after_a_gap_the_history_has_no_peak():
    meter = metered(counted(("10.0.1.1", 0, 0)), counted(("10.0.1.1", 10, 0)))
    meter.add(Reading(problem="can't be asked"), REVISIONS, 2.0)
    assert meter.traffic().problem == "can't be asked"
    meter.add(counted(("10.0.1.1", 100, 0)), REVISIONS, 10.0)
    assert meter.traffic().flows["blue"].history == (10, 10)


@pytest.mark.parametrize("reading", [counted(("10.9.9.9", 5, 0)), counted()])
def test_a_gateway_that_knows_none_of_the_pods_is_said_plainly(reading):
    assert metered(reading, reading).traffic().problem == "no gateway sends requests to it"


def test_before_the_first_reading_it_is_being_counted():
    assert Meter().traffic().problem == "counting"


def test_what_a_pod_got_stays_counted_when_it_is_gone():
    meter = metered(*(counted(("10.0.1.1", 30 * n, 0), ("10.0.2.4", 10 * n, 0)) for n in range(3)))
    meter.add(counted(("10.0.2.4", 30, 0)), {"10.0.2.4": "yellow"}, 3.0)
    traffic = meter.traffic()
    assert {name: flow.requests for name, flow in traffic.flows.items()} == {"blue": 60, "yellow": 30}
    assert set(traffic.pods) == {"10.0.2.4"}
