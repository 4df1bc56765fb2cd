"""The interval, and the odds that the docstring of canarylab.demo.traffic.statistics promises."""

import re
from math import exp, lgamma, log
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canarylab.demo.traffic.statistics import ATTEMPTS, Proportion, attempts

ROOT = Path(__file__).parents[2]


def binomial(k: int, n: int, p: float) -> float:
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log(1 - p))


def chance_to_hold(weight: int, truth: float, requests: int) -> float:
    """Exactly: how often a measurement's interval holds the weight if the canary really gets `truth`."""
    return sum(binomial(k, requests, truth) for k in range(requests + 1) if Proportion(k, requests).holds(weight))


@pytest.mark.parametrize(
    ("canary", "total", "low", "high"),
    [(0, 10, 0.0, 27.75), (5, 10, 23.66, 76.34), (10, 10, 72.25, 100.0), (103, 2000, 4.26, 6.21), (0, 0, 0.0, 100.0)],
)
def test_the_interval_is_wilsons(canary: int, total: int, low: float, high: float):
    assert Proportion(canary, total).interval() == pytest.approx((low, high), abs=0.005)


@given(st.integers(1, 100_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_holds_the_share_itself_and_stays_within_0_and_100(counts: tuple[int, int]):
    share = Proportion(*counts)
    low, high = share.interval()
    assert 0 <= low <= share.percent + 1e-9
    assert share.percent - 1e-9 <= high <= 100


def test_an_interval_that_misses_does_not_hold():
    assert Proportion(100, 2000).holds(5)
    assert not Proportion(140, 2000).holds(5)
    assert not Proportion(60, 2000).holds(5)


def test_a_share_says_percent_counts_and_interval():
    assert str(Proportion(103, 2000)) == "5.15 % (103 of 2,000; 95 % interval 4.26 % to 6.21 %)"


def test_without_answers_nothing_is_excluded():
    assert Proportion(0, 0).interval() == (0, 100)
    assert Proportion(0, 0).percent == 0


def test_without_answers_nothing_is_proved():
    assert not Proportion(0, 0).holds(5)


def test_a_miss_is_measured_again_with_four_times_the_requests_three_times_in_all():
    assert list(attempts(2000)) == [2000, 8000, 8000]
    assert len(list(attempts(100))) == ATTEMPTS


@pytest.mark.parametrize("requests", [2000, 8000])
@pytest.mark.parametrize("weight", [5, 25, 50])
def test_one_right_measurement_in_twenty_misses(weight: int, requests: int):
    assert 1 - chance_to_hold(weight, weight / 100, requests) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(
    ("page", "per_host"),
    [
        ("canarylab/demo/traffic/statistics.py", True),
        ("docs/adr/0012-rule-for-the-one-run-in-twenty.md", True),
        ("docs/troubleshooting.md", False),
    ],
)
def test_the_odds_of_a_false_alarm_are_those_that_the_pages_name(page: str, per_host: bool):
    alarm = 1.0
    for requests in attempts(2000):
        alarm *= 1 - chance_to_hold(5, 0.05, requests)
    text = " ".join((ROOT / page).read_text().split())
    if per_host:
        assert 1 / alarm == pytest.approx(
            _figure(r"(?:all but 1|once) in ([\d,]+)(?: times per host|; with four)", text), rel=0.05
        )
    assert 1 / (1 - (1 - alarm) ** 4) == pytest.approx(_figure(r"1 demonstration in ([\d,]+)", text), rel=0.05)


def _figure(pattern: str, text: str) -> int:
    """The one number that the text names so."""
    [found] = re.findall(pattern, text)
    return int(found.replace(",", ""))


def test_a_weight_of_eight_percent_passes_for_five_in_fewer_than_one_run_in_a_thousand():
    passes = 1.0
    for requests in attempts(2000):
        passes *= 1 - chance_to_hold(5, 0.08, requests)
    assert 1 - passes < 0.001
