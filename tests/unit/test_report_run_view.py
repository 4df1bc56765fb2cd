from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
from report_samples import stage, started

from canarylab.events import Fact, StageFinished, StageProgress, StageStarted
from canarylab.removal import Removal
from canarylab.report.formatting import clean, clock, names, roughly, seconds
from canarylab.report.marks import ASCII, UNICODE, Marks
from canarylab.report.run_view import RunView, Status, Work

CHAIN = (stage("cluster"), stage("istiod", "cluster"), stage("gateway", "istiod", "cluster"))


def view_of() -> RunView:
    view = RunView()
    view.apply(started("up", *CHAIN), 0.0)
    return view


def test_a_stage_waits_for_what_it_needs_and_has_not_ended() -> None:
    view = view_of()
    assert view.waits_for(view.stages["gateway"]) == ["istiod", "cluster"]
    view.apply(StageFinished("cluster", "unchanged", 1.0), 1.0)
    assert view.waits_for(view.stages["gateway"]) == ["istiod"]


def test_needs_outside_the_run_are_not_waited_for() -> None:
    view = RunView()
    view.apply(started("up", stage("istiod", "left-out")), 0.0)
    assert view.waits_for(view.stages["istiod"]) == []


def test_what_was_running_when_the_run_broke_off_is_interrupted_and_the_rest_not_reached() -> None:
    view = view_of()
    view.apply(StageStarted("cluster"), 2.0)
    view.close(5.5)
    assert (view.stages["cluster"].status, view.stages["cluster"].seconds) == ("interrupted", 3.5)
    assert view.stages["istiod"].status == "not reached"


def test_progress_that_is_no_stages_is_an_activity_until_the_next_fact() -> None:
    view = view_of()
    view.apply(StageProgress("", "measuring", 3, 2000), 1.0)
    assert view.activities[""].doing == "measuring"
    view.apply(Fact("measure", "share", "5", "5", holds=True), 2.0)
    assert not view.activities
    assert list(view.stages) == ["cluster", "istiod", "gateway"]


def test_the_next_activity_takes_the_place_of_the_one_before() -> None:
    view = view_of()
    view.apply(StageProgress("promote", "promoting"), 1.0)
    view.apply(StageProgress("expect-rollout", "waiting: phase: expected Healthy, saw Progressing"), 2.0)
    assert list(view.activities) == ["expect-rollout"]


def test_a_step_that_was_started_stays_until_it_finishes() -> None:
    view = view_of()
    view.apply(StageStarted("measure"), 1.0)
    view.apply(Fact("measure", "share", "5", "5", holds=True), 2.0)
    assert list(view.activities) == ["measure"]
    view.apply(StageFinished("measure", "unchanged", 1.0), 2.0)
    assert not view.activities


def counted(*counts: tuple[int, int, float]) -> Work:
    """Work of which `done`, `total` and the time were heard, one after the other."""
    work = None
    for done, total, now in counts:
        work = Work.counted(done, total, now, work)
    assert work
    return work


def test_remaining_time_follows_the_pace_so_far() -> None:
    assert counted((0, 1000, 100.0), (250, 1000, 160.0)).remaining(160.0) == pytest.approx(180.0)


def test_remaining_time_of_resumed_work_counts_only_what_was_done_since() -> None:
    assert counted((600, 1000, 0.0), (700, 1000, 30.0)).remaining(30.0) == pytest.approx(90.0)


def test_nobody_can_tell_the_remaining_time_at_the_beginning() -> None:
    assert counted((0, 10, 0.0)).remaining(60.0) is None
    assert counted((0, 10, 0.0), (5, 10, 1.0)).remaining(1.0) is None


@pytest.mark.parametrize(("done", "total"), [(2, 10), (5, 20)])
def test_a_count_that_goes_back_or_another_total_is_other_work(done: int, total: int) -> None:
    assert counted((0, 10, 0.0), (4, 10, 50.0), (done, total, 60.0)) == counted((done, total, 60.0))


@pytest.mark.parametrize(("done", "total"), [(None, 10), (3, None), (None, None)])
def test_work_that_is_not_counted_any_more_has_no_amount(done: int | None, total: int | None) -> None:
    assert Work.counted(done, total, 60.0, counted((4, 10, 50.0))) is None


@pytest.mark.parametrize(("done", "total", "share"), [(0, 0, 0.0), (1, 4, 0.25), (9, 4, 1.0)])
def test_the_share_of_the_work_stays_between_none_and_all(done: int, total: int, share: float) -> None:
    assert counted((done, total, 0.0)).share == share


@pytest.mark.parametrize("marks", [UNICODE, ASCII])
def test_every_state_that_a_report_shows_has_a_sign(marks: Marks) -> None:
    literals = [*get_args(Status), get_type_hints(Removal)["outcome"]]
    for state in (state for literal in literals for state in get_args(literal)):
        sign, style = marks.of(state)
        assert len(sign) == 1
        assert style


@pytest.mark.parametrize(
    ("value", "said", "ticking"),
    [
        (0.04, "0.0 s", "0 s"),
        (41.23, "41.2 s", "41 s"),
        (612.4, "10 min 12 s", "10:12"),
        (3723, "62 min 3 s", "1:02:03"),
    ],
)
def test_times_are_said_and_tick(value: float, said: str, ticking: str) -> None:
    assert (seconds(value), clock(value)) == (said, ticking)


@pytest.mark.parametrize(("value", "text"), [(540, "9 min"), (118, "120 s"), (44, "40 s"), (3, "a moment")])
def test_estimates_are_rough(value: float, text: str) -> None:
    assert roughly(value) == text


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (40, "istiod, argo-rollouts, image-blue"),
        (32, "istiod, argo-rollouts and 1 more"),
        (17, "istiod and 2 more"),
        (5, "3 stages"),
    ],
)
def test_as_many_names_as_fit_are_named(width: int, text: str) -> None:
    assert names(["istiod", "argo-rollouts", "image-blue"], width) == text


def test_a_single_name_is_said_however_little_room_there_is() -> None:
    assert names(["istio-ingressgateway"], 5) == "istio-ingressgateway"


def test_a_hyperlink_of_a_program_is_reduced_to_its_text() -> None:
    assert clean("see \x1b]8;;file:///a\x1b\\the log\x1b]8;;\x07 \x9b") == "see the log "
