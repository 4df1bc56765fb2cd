"""How many requests are under way at once, by how soon they are answered. Pure."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from canarylab.demo.traffic.pace import Pace

Takes = Callable[[int], float]
"""Seconds that an answer takes where so many are under way."""


def asked(takes: Takes, answers: int = 200, most: int = 16) -> tuple[Pace, list[float]]:
    """What it comes to after so many answers, and how long each took."""
    pace, taken, now = Pace(most, 5), [], 0.0
    for _ in range(answers):
        taken.append(takes(pace.at_once))
        pace.took(now, now + taken[-1])
        now += taken[-1]
    return pace, taken


def test_it_begins_with_few():
    assert (Pace(16, 5).at_once, Pace(2, 5).at_once) == (4, 2)


@pytest.mark.parametrize("seconds", [0.02, 0.6, 1.3, 2, 3.5, 4.5])
def test_whatever_takes_its_time_by_itself_is_asked_as_much_as_may_be(seconds):
    pace, _ = asked(lambda _: seconds)
    assert (pace.at_once, str(pace)) == (16, "")


@pytest.mark.parametrize("each", [0.2, 0.32, 0.5, 1, 2])
def test_who_answers_one_after_the_other_is_asked_no_more_than_it_answers_in_time(each):
    pace, taken = asked(lambda at_once: each * at_once)
    assert all(seconds < 5 for seconds in taken[8:])
    assert pace.at_once * each <= 3
    assert str(pace).endswith(f": {pace.at_once} at once instead of 16")


def test_what_was_asked_among_others_says_nothing_of_now():
    pace, _ = asked(lambda _: 0.1, answers=4)
    at_once = pace.at_once
    for _ in range(100):
        pace.took(0.1, 4.9)
    assert pace.at_once == at_once


def test_where_nothing_is_answered_it_never_ends():
    pace, _ = asked(lambda _: 5)
    assert pace.at_once >= 1


def test_some_that_are_late_among_others_change_nothing():
    turns = iter(range(1000))
    pace, _ = asked(lambda _: 5 if next(turns) % 4 == 0 else 0.1)
    assert (pace.at_once, str(pace)) == (16, "")


def test_a_few_answers_say_nothing_of_being_late():
    pace, _ = asked(lambda _: 0.1, answers=6)
    assert (pace.at_once < 16, str(pace)) == (True, "")
