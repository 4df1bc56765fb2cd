"""The whole demonstration, with real requests: the world's weights decide which revision answers them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from demo_world import IMAGE, Stage, step
from loopback import LoopbackServer, Reached, answer, gateway_answer, make_certificate
from mesh_world import connect
from support.fake_time import FakeTime

import canarylab.demo.steps
from canarylab.contract.step import Step
from canarylab.demo.perform import perform
from canarylab.demo.steps.healthy import Healthy
from canarylab.demo.steps.traffic import Traffic
from canarylab.demo.traffic.answers import none_failed
from canarylab.demo.traffic.measure import GIVE_UP_AFTER
from canarylab.errors import CancelledError, ExpectationError
from canarylab.kind_discovery import discover

DEMO = """
- healthy: {rollout: rollouts-demo}
- expect-rollout:
    {rollout: rollouts-demo, status: Healthy, step: 2/2, set-weight: 100, actual-weight: 100, stable: latest, pods: 2/2}
- evidence: {rollout: rollouts-demo, requests: 100, canary: 100, <<: *hosts}
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
- evidence: {rollout: rollouts-demo, requests: 100, canary: 5, <<: *hosts}
- promote: {rollout: rollouts-demo}
- expect-rollout:
    rollout: rollouts-demo
    status: Healthy
    step: 2/2
    set-weight: 100
    actual-weight: 100
    canary: none
    stable: latest
- evidence: {rollout: rollouts-demo, requests: 100, canary: 100, <<: *hosts}
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
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    connect(monkeypatch)
    return Stage(FakeTime(tick=8))


@pytest.fixture
def hosts(stage: Stage, certificate: Path) -> Iterator[dict[str, Any]]:
    """The gateway of the stage's world, as the options of a step."""
    respond = stage.world.mesh.respond
    with LoopbackServer(respond) as http, LoopbackServer(respond, certificate) as tls:
        stage.provider.ports = {80: http.port, 3000: tls.port}
        yield {
            "http": ["any.rollouts-demo-vsvc1.bookinfo.com", "any.rollouts-demo-vsvc2.bookinfo.com"],
            "tls": ["reviews.rollouts-demo-vsvc1.bookinfo.com", "reviews.rollouts-demo-vsvc2.bookinfo.com"],
        }


@pytest.fixture
def web(stage: Stage) -> Iterator[dict[str, Any]]:
    """One host by http alone."""
    with LoopbackServer(stage.world.mesh.respond) as http:
        stage.provider.ports = {80: http.port}
        yield {"http": ["any.rollouts-demo-vsvc1.bookinfo.com"]}


def by_http(server: LoopbackServer) -> dict[str, Any]:
    return {"http": ["a.example.com"], "http-port": server.port}


def steps(text: str, hosts: dict[str, Any]) -> list[Step]:
    kinds = discover(canarylab.demo.steps, Step, "kind")  # type: ignore[type-abstract]
    entries = yaml.safe_load(f"- &hosts {hosts}\n{text.strip()}")[1:]
    return [kinds[kind](kinds[kind].Options.model_validate(o)) for entry in entries for kind, o in entry.items()]


class TestWholeDemonstration:
    @pytest.fixture(autouse=True)
    def _small_probes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("canarylab.demo.traffic.host_measurements._PROBE", 20)

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
        measured = [fact for fact in stage.facts if fact.step == "evidence" and fact.holds]
        layers = Counter(fact.text.partition(":")[0] for fact in measured)
        assert layers == {"status": 3, "routes": 12, "proxy": 12, "traffic": 15}
        assert sum("canary's share" in fact.text for fact in measured) == 4
        assert sum("all answers" in fact.text for fact in measured) == 8
        assert sum(fact.expected == "0 failed" for fact in measured) == 3
        assert stage.provider.checked == ["127.0.0.1"] * 8, "each step, the port of http and that of tls"


class Breaks(Step):
    kind = "breaks"
    Options = Healthy.Options

    def run(self, _ctx, _session):
        raise ExpectationError("it broke")


class Interrupts(Breaks):
    def run(self, ctx, _session):
        ctx.cancel.set()


BREAKS, INTERRUPTS = (step(kind, rollout="rollouts-demo") for kind in (Breaks, Interrupts))


class WaitsForTraffic(Breaks):
    """Goes on once the server was asked often enough."""

    def __init__(self, reached: Reached) -> None:
        super().__init__(Healthy.Options(rollout="rollouts-demo"))  # type: ignore[call-arg]
        self._reached = reached

    def run(self, _ctx, _session):
        assert self._reached.event.wait(10)


class TestPerform:
    def start(self, web: dict[str, Any]) -> Step:
        return Traffic(Traffic.Options.model_validate({"state": "start", "rate": 200, **web}))

    def test_background_traffic_is_stopped_and_reported_when_a_step_fails(self, stage: Stage, web: dict[str, Any]):
        with pytest.raises(ExpectationError, match="it broke"):
            perform(stage.ctx, [self.start(web), BREAKS])
        assert stage.facts[-1].text == "background traffic: not one request failed on the way"

    def test_background_traffic_is_stopped_and_reported_after_ctrl_c(self, stage: Stage, web: dict[str, Any]):
        with pytest.raises(CancelledError):
            perform(
                stage.ctx,
                [self.start(web), INTERRUPTS, BREAKS],
            )
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
        assert "reached no pod by it" in str(raised.value)
        assert not stage.facts[-1].holds

    def test_that_no_request_was_sent_proves_nothing(self):
        assert not none_failed([], "not one request failed").holds

    def test_nothing_is_begun_after_ctrl_c(self, stage: Stage):
        stage.ctx.cancel.set()
        with pytest.raises(CancelledError):
            perform(stage.ctx, [BREAKS])
