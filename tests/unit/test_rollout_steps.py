from __future__ import annotations

import pytest

from canarylab.kube.times import duration, epoch, timestamp
from canarylab.report.formatting import age, due, left
from canarylab.rollouts.steps import in_words, pause_seconds


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"setWeight": 0}, "setWeight 0"),
        ({"pause": {}}, "pause"),
        ({"pause": {"duration": "1h30m"}}, "pause 1h30m"),
        ({"pause": {"duration": 10}}, "pause 10s"),
        ({"pause": {"duration": "10"}}, "pause 10s"),
        ({"setCanaryScale": {"replicas": 0}}, "setCanaryScale replicas 0"),
        ({"setCanaryScale": {"weight": 100}}, "setCanaryScale weight 100"),
        ({"setCanaryScale": {"matchTrafficWeight": True}}, "setCanaryScale matchTrafficWeight"),
        ({"setHeaderRoute": {"name": "testers", "match": [{}]}}, "setHeaderRoute testers"),
        ({"setHeaderRoute": {"name": "testers"}}, "setHeaderRoute testers removed"),
        ({"setMirrorRoute": {"name": "copy", "match": [{}], "percentage": 35}}, "setMirrorRoute copy 35 %"),
        ({"analysis": {"templates": [{"templateName": "a"}, {"templateName": "b"}]}}, "analysis a, b"),
        ({"experiment": {"templates": [{"name": "x"}], "duration": "5m"}}, "experiment x 5m"),
        ({"plugin": {"name": "mine/step"}}, "plugin mine/step"),
        ({"setWeight": None, "somethingNew": {}}, "somethingNew"),
        ({}, "an empty step"),
    ],
)
def test_a_step_is_said_in_the_terms_of_argos_specification(step, words):
    assert in_words(step) == words


def test_only_a_pause_with_a_duration_ends_by_itself():
    assert pause_seconds({"pause": {"duration": "20s"}}) == 20
    assert pause_seconds({"pause": {}}) is None
    assert pause_seconds({"setWeight": 5}) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(30, 30), ("30", 30), ("90s", 90), ("1h30m", 5400), ("1.5s", 1.5), ("500ms", 0.5), ("soon", None), ("5 m", None)],
)
def test_durations_are_read_as_argo_reads_them(text, seconds):
    assert duration(text) == seconds


def test_times_of_the_api_come_back_as_they_were():
    assert epoch("2027-01-15T08:00:00Z") == 1_800_000_000
    assert timestamp(1_800_000_000.25) == "2027-01-15T08:00:00.250Z"
    assert epoch(None) is None


@pytest.mark.parametrize(("seconds", "said"), [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (7200, "2 h"), (2e5, "2 d")])
def test_an_age_is_no_finer_than_it_matters(seconds, said):
    assert age(seconds) == said


def test_what_is_overdue_comes_any_moment():
    assert (left(7.4), left(245), left(-3)) == ("7 s left", "4:05 left", "any moment")
    assert (due(7.4), due(0)) == ("in 7 s", "any moment")
