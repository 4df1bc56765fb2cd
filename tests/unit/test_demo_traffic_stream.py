"""The step `traffic`: when background requests may begin to flow, and that they end."""

from __future__ import annotations

from typing import Any

import pytest
from demo_world import Stage, step
from loopback import LoopbackServer, Reached, Seen, answer, gateway_answer
from pydantic import ValidationError
from support.fake_time import FakeTime

from canarylab.contract.step import Session, Step
from canarylab.demo.perform import perform
from canarylab.demo.steps.traffic import Traffic
from canarylab.demo.traffic.background import NAME, Background
from canarylab.demo.traffic.measure import GIVE_UP_AFTER
from canarylab.errors import ExpectationError


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def stage(time: FakeTime) -> Stage:
    return Stage(time)


@pytest.fixture
def impatient(time: FakeTime) -> None:
    time.tick = 60


def start(server: LoopbackServer) -> Step:
    return step(Traffic, state="start", rate=200, http=["a.example.com"], http_port=server.port)


@pytest.mark.usefixtures("impatient")
def test_a_host_that_never_answers_is_found_before_anything_else_happens(stage: Stage):
    with (
        LoopbackServer(lambda _: gateway_answer(404)) as server,
        pytest.raises(ExpectationError, match=r"is for host a\.example\.com"),
    ):
        perform(stage.ctx, [start(server)])


def test_a_gateway_that_learns_its_routes_late_is_waited_for(stage: Stage):
    def late(seen: Seen) -> bytes:
        return gateway_answer(404) if len(seen.requests) <= GIVE_UP_AFTER + 5 else answer()

    session, reached = Session(), Reached(4 * GIVE_UP_AFTER, late)
    with LoopbackServer(reached) as server:
        start(server).run(stage.ctx, session)
        assert reached.event.wait(10)
        step(Traffic, state="stop").run(stage.ctx, session)
    assert stage.facts[-1].holds


@pytest.mark.usefixtures("impatient")
def test_a_host_that_answers_now_and_then_is_found_by_the_traffic_itself(stage: Stage):
    reached = Reached(100, lambda seen: gateway_answer(503) if len(seen.requests) % 10 == 0 else answer())
    session = Session()
    with LoopbackServer(reached) as server:
        start(server).run(stage.ctx, session)
        assert reached.event.wait(10)
        with pytest.raises(ExpectationError):
            step(Traffic, state="stop").run(stage.ctx, session)
    [fact] = stage.unmet
    assert (fact.expected, "status 503" in fact.seen) == ("0 failed", True)


def test_it_flows_until_it_is_stopped(stage: Stage):
    session, reached = Session(), Reached(GIVE_UP_AFTER + 1, lambda _: answer())
    with LoopbackServer(reached) as server:
        start(server).run(stage.ctx, session)
        assert session.find(NAME, Background)
        assert reached.event.wait(10)
        step(Traffic, state="stop").run(stage.ctx, session)
    assert session.find(NAME, Background) is None


def test_stopping_what_was_not_started_is_an_error_of_the_playbook(stage: Stage):
    with pytest.raises(ExpectationError, match="no traffic to stop"):
        step(Traffic, state="stop").run(stage.ctx, Session())


def test_starting_twice_is_an_error_of_the_playbook(stage: Stage):
    with LoopbackServer(lambda _: answer()) as server, pytest.raises(ExpectationError, match="already flowing"):
        perform(stage.ctx, [start(server), start(server)])


@pytest.mark.parametrize("wrong", [{"state": "start"}, {"state": "on"}, {}, {"state": "start", "rate": 0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        step(Traffic, **wrong)
