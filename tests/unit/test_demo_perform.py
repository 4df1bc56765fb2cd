"""The whole demonstration, with real requests: the world's weights decide which revision answers them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from demo_world import HASHES, IMAGE, Stage, step
from loopback import LoopbackServer, Reached, answer, gateway_answer, make_certificate
from pydantic import ValidationError

import canarylab.demo
from canarylab.demo.answers import none_failed
from canarylab.demo.base import Session, Step
from canarylab.demo.healthy import Healthy
from canarylab.demo.measure import Measure
from canarylab.demo.perform import perform
from canarylab.demo.traffic import GIVE_UP_AFTER
from canarylab.demo.traffic_stream import Traffic
from canarylab.discovery import discover
from canarylab.errors import CancelledError, ExpectationError
from canarylab.events import Notice

DEMO = """
- healthy: {rollout: rollouts-demo}
- expect-rollout:
    {rollout: rollouts-demo, status: Healthy, step: 2/2, set-weight: 100, actual-weight: 100, stable: latest, pods: 2/2}
- expect-routes: &rest
    rollout: rollouts-demo
    virtualservices: [rollouts-demo-vsvc1, rollouts-demo-vsvc2]
    stable: 100
    canary: 0
- traffic: {state: start, rate: 200, <<: *hosts}
- set-image:
    rollout: rollouts-demo
    container: rollouts-demo
    images: ["localhost/argoproj/rollouts-demo:blue", "localhost/argoproj/rollouts-demo:yellow"]
- expect-rollout:
    rollout: rollouts-demo
    status: Paused
    reason: CanaryPauseStep
    step: 1/2
    set-weight: 5
    actual-weight: 5
    canary: latest
    stable: previous
    replicas: {desired: 1, current: 2, updated: 1, ready: 2, available: 2}
    pods: 2/2
- expect-routes:
    rollout: rollouts-demo
    virtualservices: [rollouts-demo-vsvc1, rollouts-demo-vsvc2]
    stable: 95
    canary: 5
- measure: {rollout: rollouts-demo, requests: 200, canary: 5, <<: *hosts}
- promote: {rollout: rollouts-demo}
- expect-rollout:
    rollout: rollouts-demo
    status: Healthy
    step: 2/2
    set-weight: 100
    actual-weight: 100
    canary: none
    stable: latest
- expect-routes: *rest
- measure: {rollout: rollouts-demo, requests: 100, canary: 100, <<: *hosts}
- expect-rollout:
    rollout: rollouts-demo
    status: Healthy
    replicas: {desired: 1, current: 1, updated: 1, ready: 1, available: 1}
    pods: 2/2
    old-scaled-down: true
- traffic: {state: stop}
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def hosts(stage: Stage, certificate: Path) -> Iterator[dict[str, Any]]:
    """The gateway of the stage's world, as the options of a step."""
    with LoopbackServer(stage.world.respond) as http, LoopbackServer(stage.world.respond, certificate) as tls:
        yield {
            "http": ["any.rollouts-demo-vsvc1.bookinfo.com", "any.rollouts-demo-vsvc2.bookinfo.com"],
            "tls": ["reviews.rollouts-demo-vsvc1.bookinfo.com", "reviews.rollouts-demo-vsvc2.bookinfo.com"],
            "http-port": http.port,
            "tls-port": tls.port,
        }


@pytest.fixture
def web(stage: Stage) -> Iterator[dict[str, Any]]:
    """One host by http alone."""
    with LoopbackServer(stage.world.respond) as http:
        yield {"http": ["any.rollouts-demo-vsvc1.bookinfo.com"], "http-port": http.port}


def by_http(server: LoopbackServer) -> dict[str, Any]:
    return {"http": ["a.example.com"], "http-port": server.port}


def steps(text: str, hosts: dict[str, Any]) -> list[Step]:
    kinds = discover(canarylab.demo, Step, "kind")  # type: ignore[type-abstract]
    entries = yaml.safe_load(f"- &hosts {hosts}\n{text.strip()}")[1:]
    return [kinds[kind](kinds[kind].Options.model_validate(o)) for entry in entries for kind, o in entry.items()]


class TestWholeDemonstration:
    @pytest.fixture(autouse=True)
    def _small_probes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("canarylab.demo.measure._PROBE", 20)

    def test_it_goes_from_blue_to_yellow_and_then_from_yellow_to_blue(self, stage: Stage, web: dict[str, Any]):
        for old, new in (("blue", "yellow"), ("yellow", "blue")):
            stage.events.clear()
            perform(stage.ctx, steps(DEMO, web))
            assert f"set image, from {IMAGE}:{old}: {IMAGE}:{new} in a new revision" in stage.said
            last = stage.facts[-1]
            assert (last.step, last.expected, last.holds) == ("traffic", "0 failed", True)
            assert stage.world.stable == new

    def test_every_host_is_measured_at_both_weights_and_each_address_is_checked_first(self, stage: Stage, hosts: Any):
        perform(stage.ctx, steps(DEMO, hosts))
        measured = [fact for fact in stage.facts if fact.step == "measure" and fact.holds]
        assert sum("canary's share" in fact.text for fact in measured) == 4
        assert sum("all answers" in fact.text for fact in measured) == 4
        assert sum(fact.expected == "0 failed" for fact in measured) == 2
        assert stage.provider.checked == ["127.0.0.1"] * 6, "each step, the port of http and that of tls"


class Breaks(Step):
    kind = "breaks"
    Options = Healthy.Options

    def run(self, _ctx, _session):
        raise ExpectationError("it broke")


class Interrupts(Breaks):
    def run(self, ctx, _session):
        ctx.cancel.set()


class WaitsForTraffic(Breaks):
    """Goes on once the server was asked often enough."""

    def __init__(self, reached: Reached) -> None:
        self._reached = reached

    def run(self, _ctx, _session):
        assert self._reached.event.wait(10)


class TestPerform:
    def start(self, web: dict[str, Any]) -> Step:
        return Traffic(Traffic.Options.model_validate({"state": "start", "rate": 200, **web}))

    def test_background_traffic_is_stopped_and_reported_when_a_step_fails(self, stage: Stage, web: dict[str, Any]):
        with pytest.raises(ExpectationError, match="it broke"):
            perform(stage.ctx, [self.start(web), step(Breaks, rollout="x")])
        assert stage.facts[-1].text == "background traffic: not one request failed on the way"

    def test_background_traffic_is_stopped_and_reported_after_ctrl_c(self, stage: Stage, web: dict[str, Any]):
        with pytest.raises(CancelledError):
            perform(stage.ctx, [self.start(web), step(Interrupts, rollout="x"), step(Breaks, rollout="x")])
        assert stage.facts[-1].text == "background traffic: not one request failed on the way"

    def test_traffic_that_nobody_stops_is_stopped_at_the_end(self, stage: Stage):
        reached = Reached(GIVE_UP_AFTER + 5, lambda _: answer())
        with LoopbackServer(reached) as server:
            perform(stage.ctx, [self.start(by_http(server)), WaitsForTraffic(reached)])
        assert (stage.facts[-1].expected, stage.facts[-1].holds) == ("0 failed", True)

    def test_a_lost_request_fails_the_demonstration_at_the_end(self, stage: Stage):
        later = lambda seen: answer() if len(seen.requests) <= GIVE_UP_AFTER else gateway_answer(503)  # noqa: E731
        reached = Reached(GIVE_UP_AFTER + 5, later)
        with LoopbackServer(reached) as server, pytest.raises(ExpectationError, match="503 from the gateway") as raised:
            perform(stage.ctx, [self.start(by_http(server)), WaitsForTraffic(reached)])
        assert "no ready pod" in str(raised.value)
        assert not stage.facts[-1].holds

    def test_that_no_request_was_sent_proves_nothing(self):
        assert not none_failed([], "not one request failed").holds

    def test_nothing_is_begun_after_ctrl_c(self, stage: Stage):
        stage.ctx.cancel.set()
        with pytest.raises(CancelledError):
            perform(stage.ctx, [step(Breaks, rollout="x")])


class TestTraffic:
    def test_a_host_that_never_answers_is_found_before_anything_else_happens(self, stage: Stage):
        with LoopbackServer(lambda _: gateway_answer(404)) as server:
            start = step(Traffic, state="start", http=["a.example.com"], http_port=server.port)
            with pytest.raises(ExpectationError, match="no HTTP route for a"):
                perform(stage.ctx, [start])

    def test_stopping_what_was_not_started_is_an_error_of_the_playbook(self, stage: Stage):
        with pytest.raises(ExpectationError, match="no traffic to stop"):
            step(Traffic, state="stop").run(stage.ctx, Session())

    def test_starting_twice_is_an_error_of_the_playbook(self, stage: Stage, web: dict[str, Any]):
        start = Traffic(Traffic.Options.model_validate({"state": "start", **web}))
        with pytest.raises(ExpectationError, match="flows already"):
            perform(stage.ctx, [start, start])

    @pytest.mark.parametrize("wrong", [{"state": "start"}, {"state": "stop", "rate": 5}, {"state": "on"}, {}])
    def test_what_makes_no_sense_is_refused(self, wrong: dict[str, Any]):
        with pytest.raises(ValidationError):
            step(Traffic, **wrong)


class TestMeasure:
    def measure(self, hosts: dict[str, Any], canary: int, requests: int = 200) -> Step:
        options = {"rollout": "rollouts-demo", "canary": canary, "requests": requests, **hosts}
        return Measure(Measure.Options.model_validate(options))

    def update(self, stage: Stage, weight: int) -> None:
        stage.world.set_image("yellow")
        while stage.world.pending:
            stage.world.pending.popleft()()
        stage.world.weight = weight

    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("canarylab.demo.measure._SETTLE_SECONDS", 0.05)

    def test_an_interval_that_misses_is_measured_again_and_both_are_told(self, stage: Stage):
        self.update(stage, 5)
        answers = iter([*[True] * 5, *[False] * 95, *[True] * 40, *[False] * 160, *[i % 20 == 0 for i in range(800)]])

        def scripted(_seen: object) -> bytes:
            color = "yellow" if next(answers) else "blue"
            return answer(HASHES[color], color=color)

        with LoopbackServer(scripted) as server:
            self.measure(by_http(server), 5).run(stage.ctx, Session())
        share, _failures = stage.facts
        assert share.holds
        assert share.seen.startswith("5.00 % (40 of 800")
        assert "; before that 20.00 % (40 of 200" in share.seen
        assert share.seen.endswith("missed by chance, as one in twenty does; measured again: holds")
        [told] = [event.message for event in stage.events if isinstance(event, Notice)]
        assert "canary's share 20.00 % (40 of 200" in told
        assert told.endswith("misses 5 %, as one in twenty does by chance; measuring again, with 800 requests")

    def test_one_that_holds_at_once_says_nothing_of_chance(self, stage: Stage):
        self.update(stage, 5)
        with LoopbackServer(
            lambda seen: answer(HASHES["yellow" if len(seen.requests) % 20 == 0 else "blue"])
        ) as server:
            self.measure(by_http(server), 5).run(stage.ctx, Session())
        assert "chance" not in stage.said
        assert not [event for event in stage.events if isinstance(event, Notice)]

    def test_a_wrong_weight_fails_after_three_measurements(self, stage: Stage, web: dict[str, Any]):
        self.update(stage, 40)
        with pytest.raises(ExpectationError, match="missed, too") as raised:
            self.measure(web, 5).run(stage.ctx, Session())
        assert "other weights than 5 %" in str(raised.value)
        assert "by chance" not in stage.said
        assert stage.facts[0].seen.count("95 % interval") == 3
        assert [fact.holds for fact in stage.facts] == [False, True]

    def test_at_100_one_answer_of_another_revision_fails(self, stage: Stage, web: dict[str, Any]):
        self.update(stage, 99)
        with pytest.raises(ExpectationError, match="all answers") as raised:
            self.measure(web, 100, requests=2000).run(stage.ctx, Session())
        assert f"from revision 1 ({IMAGE}:blue)" in str(raised.value)

    def test_at_0_every_answer_is_of_the_stable_revision(self, stage: Stage, web: dict[str, Any]):
        self.update(stage, 0)
        self.measure(web, 0).run(stage.ctx, Session())
        assert f"200 from revision 1 ({IMAGE}:blue)" in stage.said

    def test_it_waits_until_the_gateway_has_learnt_the_weights(self, stage: Stage, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("canarylab.demo.measure._SETTLE_SECONDS", 10)
        self.update(stage, 100)
        late = lambda seen: answer(HASHES["blue" if len(seen.requests) < 250 else "yellow"])  # noqa: E731
        with LoopbackServer(late) as server:
            self.measure(by_http(server), 100).run(stage.ctx, Session())
        assert all(fact.holds for fact in stage.facts)

    def test_an_answer_of_neither_revision_fails_whatever_the_share(self, stage: Stage):
        self.update(stage, 5)
        kinds = ["yellow"] + ["blue"] * 18 + ["green"]
        strange = lambda seen: answer(HASHES[kinds[len(seen.requests) % 20]])  # noqa: E731
        with LoopbackServer(strange) as server, pytest.raises(ExpectationError, match=f"40 from {HASHES['green']}"):
            self.measure(by_http(server), 5, 800).run(stage.ctx, Session())
        assert [fact.holds for fact in stage.facts] == [False, True]

    def test_answers_without_a_revision_point_to_the_environment_variable(self, stage: Stage):
        self.update(stage, 5)
        with LoopbackServer(lambda _: answer("")) as server, pytest.raises(ExpectationError, match="variable REVISION"):
            self.measure(by_http(server), 5).run(stage.ctx, Session())

    def test_a_failed_request_fails_it_even_if_the_share_is_right(self, stage: Stage):
        self.update(stage, 0)
        once = lambda seen: answer(HASHES["blue"], status=500 if len(seen.requests) == 150 else 200)  # noqa: E731
        with LoopbackServer(once) as server, pytest.raises(ExpectationError, match="not one request failed") as raised:
            self.measure(by_http(server), 0).run(stage.ctx, Session())
        assert "1 of 300 failed" in str(raised.value)

    def test_without_an_update_there_is_no_canary_to_measure(self, stage: Stage, web: dict[str, Any]):
        with pytest.raises(ExpectationError, match="has no canary to measure"):
            self.measure(web, 5).run(stage.ctx, Session())

    def test_a_gateway_without_an_address_points_to_the_tunnel(self, stage: Stage, web: dict[str, Any]):
        stage.world.address = None
        with pytest.raises(ExpectationError, match="has no address") as raised:
            self.measure(web, 0).run(stage.ctx, Session())
        assert "invoke tunnel" in str(raised.value)

    def test_a_route_that_leads_elsewhere_gets_no_request(self, stage: Stage, web: dict[str, Any]):
        def elsewhere(_ctx: object, _address: str) -> None:
            raise ExpectationError("the route leads elsewhere")

        stage.provider.check_route = elsewhere  # type: ignore[method-assign]
        with pytest.raises(ExpectationError, match="leads elsewhere"):
            self.measure(web, 0).run(stage.ctx, Session())
        assert stage.facts == []
