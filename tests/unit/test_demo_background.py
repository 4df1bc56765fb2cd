"""The background traffic against real servers on the loopback, and the timeline that it is counted on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from demo_world import Stage
from loopback import SILENCE, LoopbackServer, Reached, answer, closed_port, gateway_answer, make_certificate

from canarylab.contract.step import Session
from canarylab.demo.traffic import background
from canarylab.demo.traffic.background import NAME, Background, note
from canarylab.demo.traffic.client import REFUSED, TIMEOUT, Answer, Target
from canarylab.demo.traffic.timeline import FailureMode, Moment, Timeline
from canarylab.errors import CancelledError

HOST = "reviews.rollouts-demo-vsvc1.bookinfo.com"
TARGET = Target("127.0.0.1", 80, HOST)
BAD = FailureMode(TARGET, "bbb", "status 500")
GOOD = Answer(200)
ERROR = Answer(500, revision="bbb", failure="status 500", words="status 500")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def http(server: LoopbackServer) -> Target:
    return Target("127.0.0.1", server.port, HOST)


def tls(server: LoopbackServer) -> Target:
    return Target("127.0.0.1", server.port, HOST, tls=True)


class Clock:
    """Ticks once at every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


class TestTimeline:
    @pytest.fixture
    def timeline(self) -> Timeline:
        return Timeline(Clock())

    def test_every_request_belongs_to_one_period(self, timeline: Timeline):
        timeline.count(TARGET, GOOD)
        timeline.count(TARGET, ERROR)
        first = timeline.cut()
        timeline.count(TARGET, GOOD)
        second = timeline.cut()
        assert (first.total, first.failed) == (2, 1)
        assert (second.total, second.failed) == (1, 0)

    def test_a_failure_is_kept_with_who_gave_it_and_its_time_since_the_beginning(self, timeline: Timeline):
        timeline.count(TARGET, ERROR)
        period = timeline.cut()
        assert period.failures == {BAD: 1}
        assert period.samples == [f"http {HOST}, after 1.0 s: status 500"]
        assert period.last_failure == 2.0

    def test_good_answers_are_counted_from_the_last_failure(self, timeline: Timeline):
        for _ in range(3):
            timeline.count(TARGET, GOOD)
        timeline.count(TARGET, ERROR)
        timeline.count(TARGET, GOOD)
        assert timeline.so_far().good == 1

    def test_good_answers_are_counted_from_the_noted_moment(self, timeline: Timeline):
        timeline.count(TARGET, GOOD)
        timeline.note("abort")
        timeline.count(TARGET, GOOD)
        assert timeline.so_far().good == 1
        assert timeline.so_far().moment == Moment("abort", 2.0)

    def test_a_look_at_the_period_does_not_change_with_it(self, timeline: Timeline):
        seen = timeline.so_far()
        timeline.count(TARGET, GOOD)
        assert seen.total == 0

    def test_however_many_fail_only_the_first_are_kept_in_words(self, timeline: Timeline):
        for number in range(1000):
            timeline.count(TARGET, replace(ERROR, words=f"failure {number}"))
        period = timeline.cut()
        assert period.failures == {BAD: 1000}
        assert [sample.rpartition(" ")[2] for sample in period.samples] == ["0", "1", "2", "3", "4"]


class TestBackground:
    @pytest.fixture
    def reached(self) -> Reached:
        return Reached(12, lambda _: answer())

    @pytest.fixture
    def servers(self, certificate: Path, reached: Reached) -> Iterator[list[LoopbackServer]]:
        with LoopbackServer(reached) as plain, LoopbackServer(lambda _: answer(), certificate) as encrypted:
            yield [plain, encrypted]

    def test_requests_flow_to_every_host_in_turn_until_it_is_stopped(self, servers, reached: Reached):
        plain, encrypted = servers
        stream = Background([http(plain), tls(encrypted)], rate=200)
        assert reached.event.wait(10)
        period = stream.stop()
        first, second = period.requests[http(plain)], period.requests[tls(encrypted)]
        assert first >= 12
        assert abs(first - second) <= 1
        assert period.failed == 0
        assert plain.seen.connections == len(plain.seen.requests) == first

    def test_every_request_that_fails_is_counted_with_its_time(self):
        reached = Reached(5, lambda _: gateway_answer(503))
        with LoopbackServer(reached) as server:
            stream = Background([http(server)], rate=200)
            assert reached.event.wait(10)
            period = stream.stop()
        assert period.failed == period.total >= 5
        assert set(period.failures) == {FailureMode(http(server), "", "status 503 from the gateway")}
        assert "s: status 503" in period.samples[0]

    def test_a_failed_answer_is_counted_for_the_revision_that_gave_it(self):
        reached = Reached(2, lambda _: answer("bbb", status=500))
        with LoopbackServer(reached) as server:
            stream = Background([http(server)], rate=200)
            assert reached.event.wait(10)
            assert {failure.revision for failure in stream.stop().failures} == {"bbb"}

    def test_a_request_without_an_answer_fails(self):
        reached = Reached(1, lambda _: SILENCE)
        with LoopbackServer(reached) as server:
            silent = Background([http(server)], rate=200, timeout=0.02)
            assert reached.event.wait(10)
            assert {failure.kind for failure in silent.stop().failures} == {TIMEOUT}

    def test_a_connection_that_is_refused_fails(self, stage: Stage):
        nobody = Background([Target("127.0.0.1", closed_port(), HOST)], rate=200)
        nobody.wait(stage.ctx, lambda period: period.failed > 0, 10)
        assert {failure.kind for failure in nobody.stop().failures} == {REFUSED}

    def test_its_rate_is_kept(self, servers, reached: Reached):
        began = time.monotonic()
        stream = Background([http(servers[0])], rate=100)
        assert reached.event.wait(10)
        stream.stop()
        assert time.monotonic() - began >= 11 / 100

    def test_a_crash_in_its_thread_comes_out_when_it_is_stopped_or_waited_for(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ):
        def broken(_target: Target, _timeout: float):
            raise RuntimeError("a bug")

        monkeypatch.setattr(background, "ask_once", broken)
        stream = Background([Target("127.0.0.1", closed_port(), HOST)], rate=100)
        stream._thread.join(10)
        with pytest.raises(BaseExceptionGroup, match="unhandled"):
            stream.wait(stage.ctx, lambda _: False, 10)
        with pytest.raises(BaseExceptionGroup, match="unhandled"):
            stream.stop()

    @pytest.fixture
    def stage(self) -> Stage:
        return Stage()

    @pytest.fixture
    def stream(self, servers) -> Iterator[Background]:
        stream = Background([http(servers[0])], rate=200)
        yield stream
        stream.stop()

    def test_one_can_wait_until_enough_were_answered(self, stage: Stage, stream: Background):
        assert stream.wait(stage.ctx, lambda period: period.total >= 5, 10).total >= 5

    def test_waiting_ends_after_its_time(self, stage: Stage, stream: Background):
        assert stream.wait(stage.ctx, lambda _: False, 0.01).failed == 0

    def test_waiting_ends_with_ctrl_c(self, stage: Stage, stream: Background):
        stage.ctx.cancel.set()
        with pytest.raises(CancelledError):
            stream.wait(stage.ctx, lambda _: False, 10)

    def test_a_moment_is_noted_on_the_traffic_that_flows(self, stream: Background):
        session = Session()
        session.leave(NAME, stream)
        note(session, "abort")
        moment = stream.timeline.so_far().moment
        assert moment is not None
        assert moment.name == "abort"

    def test_without_traffic_there_is_nothing_to_note_it_on(self):
        note(Session(), "abort")
