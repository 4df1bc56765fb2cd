"""How many requests are under way at once, by how soon they are answered. Pure."""

from __future__ import annotations

from canarylab.demo.traffic.pace import Pace


def after(pace: Pace, seconds: float, answers: int) -> int:
    """How many are asked at once after so many answers that took so long."""
    for _ in range(answers):
        pace.took(seconds)
    return pace.at_once


def test_it_begins_with_few_and_asks_more_as_long_as_answers_come_soon():
    pace = Pace(16, 5)
    assert [pace.at_once, after(pace, 0.1, 4), after(pace, 0.1, 8), after(pace, 0.1, 16)] == [4, 8, 16, 16]
    assert str(pace) == ""


def test_it_asks_fewer_where_they_come_late_and_says_so():
    pace = Pace(16, 5)
    assert after(pace, 2, 4) == 2
    assert str(pace) == "answers took 2.0 s: 2 at once instead of 16"


def test_it_never_ends():
    assert after(Pace(16, 5), 5, 100) == 1


def test_what_is_neither_soon_nor_late_leaves_it_as_it_is():
    pace = Pace(16, 5)
    assert after(pace, 1, 100) == 4
    assert str(pace) == "", "nothing was late"


def test_some_that_are_late_among_others_change_nothing():
    pace = Pace(16, 5)
    after(pace, 0.1, 12)
    for number in range(160):
        pace.took(5 if number % 4 == 0 else 0.1)
    assert pace.at_once == 16


def test_it_recovers():
    pace = Pace(16, 5)
    after(pace, 2, 4)
    assert after(pace, 0.1, 4 + 4 + 8 + 16) == 16
    assert str(pace) == ""


def test_it_begins_with_no_more_than_there_may_be():
    assert Pace(2, 5).at_once == 2
