"""The step `evidence` in a world whose layers agree, or don't: which one doesn't has to be said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from demo_world import HASHES, IMAGE, Stage, step
from loopback import LoopbackServer, Respond, Seen, answer, gateway_answer, make_certificate
from mesh_world import CANARY, GATEWAY_POD, HOSTS, SNI, STABLE, TESTERS, VSVC1, VSVC2, connect
from pydantic import ValidationError
from support.fake_time import FakeTime

from canarylab.contract.step import Session, Step
from canarylab.demo.steps.evidence import Evidence
from canarylab.demo.traffic.client import Target
from canarylab.demo.traffic.diagnosis import request_of
from canarylab.errors import ExpectationError
from canarylab.events import Notice
from canarylab.rollouts.routes.match import Request

HTTP = [HOSTS[VSVC1]]
BLUE, YELLOW = f"revision 1 ({IMAGE}:blue)", f"revision 2 ({IMAGE}:yellow)"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def time() -> FakeTime:
    """So fast that what doesn't come at once isn't waited for, unless a test has it tick more slowly."""
    return FakeTime(tick=8)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, certificate: Path, time: FakeTime) -> Iterator[Stage]:
    """An update is under way, and the gateway answers."""
    connect(monkeypatch)
    stage = Stage(time)
    stage.world.set_image("yellow")
    while stage.world.pending:
        stage.world.pending.popleft()()
    respond = stage.world.mesh.respond
    with LoopbackServer(respond) as http, LoopbackServer(respond, certificate) as tls:
        stage.provider.ports = {80: http.port, 3000: tls.port}
        yield stage


def evidence(canary: int, **options: Any) -> Step:
    return step(Evidence, rollout="rollouts-demo", **{"canary": canary, "requests": 200, "http": HTTP, **options})


def run(stage: Stage, canary: int, *, served_at: int = 0, **options: Any) -> None:
    """`served_at`: where the gateway's port 80 is reached, in place of the world's own server."""
    stage.provider.ports |= {80: served_at} if served_at else {}
    evidence(canary, **options).run(stage.ctx, Session())


def refused(stage: Stage, canary: int, **options: Any) -> str:
    """What is said of an expectation that isn't met."""
    with pytest.raises(ExpectationError) as raised:
        run(stage, canary, **options)
    return str(raised.value)


def wrong(stage: Stage) -> list[str]:
    """The layers of the facts that don't hold."""
    return [fact.text.partition(":")[0] for fact in stage.facts if not fact.holds]


class TestAllLayersAgree:
    def test_every_layer_says_so_of_every_host_of_either_protocol(self, stage: Stage):
        run(stage, 5, http=list(HOSTS.values()), tls=list(SNI.values()))
        assert [fact.text for fact in stage.facts] == [
            "status: ActualWeight",
            f"routes: {VSVC1}, http route primary",
            f"routes: {VSVC2}, http route secondary",
            f"routes: {VSVC1}, tls route {SNI[VSVC1]}",
            f"routes: {VSVC2}, tls route {SNI[VSVC2]}",
            f"proxy: Envoy of {GATEWAY_POD}, http {HOSTS[VSVC1]}",
            f"proxy: Envoy of {GATEWAY_POD}, http {HOSTS[VSVC2]}",
            f"proxy: Envoy of {GATEWAY_POD}, tls {SNI[VSVC1]}",
            f"proxy: Envoy of {GATEWAY_POD}, tls {SNI[VSVC2]}",
            *(f"traffic: http {host}: canary's share" for host in HOSTS.values()),
            *(f"traffic: tls {host}: canary's share" for host in SNI.values()),
            "traffic: not one request failed",
        ]
        assert wrong(stage) == []

    def test_each_says_it_in_its_own_terms_and_in_revisions(self, stage: Stage):
        run(stage, 5)
        status, routes, proxy, traffic, _ = stage.facts
        assert (status.expected, status.seen) == ("5", "5")
        assert routes.expected == proxy.expected == "revision 1 95 %, revision 2 5 %"
        assert routes.seen == f"{STABLE} 95, {CANARY} 5 (revision 1 95 %, revision 2 5 %)"
        assert proxy.seen == f"{STABLE} 95, {CANARY} 5 (revision 1 95 %, revision 2 5 %)"
        assert (traffic.expected, traffic.seen[:6]) == ("5 % in the interval", "5.00 %")

    def test_at_0_every_answer_is_of_the_stable_revision(self, stage: Stage):
        stage.world.weight = 0
        run(stage, 0)
        assert f"200 from {BLUE}" in stage.said

    def test_at_100_every_answer_is_of_the_newest_revision(self, stage: Stage):
        stage.world.weight = 100
        run(stage, 100)
        assert f"200 from {YELLOW}" in stage.said

    def test_at_rest_the_newest_revision_is_the_only_one_whatever_the_weights(self, stage: Stage):
        stage.world.current = stage.world.stable = "yellow"
        stage.world.index = 2
        run(stage, 100)
        assert "revision 2 100 % | " in stage.said

    def test_weights_that_come_later_are_waited_for(self, stage: Stage):
        stage.world.weight = 0

        def weigh() -> None:
            stage.world.weight = 5

        stage.world.pending.append(weigh)
        run(stage, 5)
        assert wrong(stage) == []
        said = [event.message for event in stage.events if event.event == "stage-progress"]  # type: ignore[attr-defined]
        assert "waiting: status: ActualWeight: expected 5, saw 0" in said

    def test_a_proxy_that_learns_late_is_asked_again(self, stage: Stage, time: FakeTime):
        time.tick = 0
        stage.world.mesh.late = 3
        run(stage, 5)
        assert wrong(stage) == []
        said = [event.message for event in stage.events if event.event == "stage-progress"]  # type: ignore[attr-defined]
        assert stage.world.mesh.late == 0
        assert sum(message.startswith("waiting: proxy: ") for message in said) == 1, (
            "what didn't change isn't said again"
        )

    @pytest.mark.parametrize("patience", [1, 3])
    def test_with_patience_it_is_asked_for_longer(self, stage: Stage, time: FakeTime, patience: int):
        cluster = stage.ctx.playbook.cluster.model_copy(update={"patience": patience})
        stage.ctx.playbook = replace(stage.ctx.playbook, cluster=cluster)
        time.tick, stage.world.mesh.late = 0, 100_000
        refused(stage, 5)
        assert time.slept == pytest.approx(15 * patience, abs=0.5)

    def test_a_weight_that_differs_from_the_canarys_share_is_the_status_alone(self, stage: Stage):
        stage.world.weight, stage.world.mesh.routed = 5, 0
        run(stage, 0, weight=5)
        assert "status: ActualWeight: 5 | 5 | True" in stage.said


class TestALayerDisagrees:
    def test_the_status_is_behind(self, stage: Stage):
        stage.world.mesh.routed = 5
        stage.world.weight = 0
        said = refused(stage, 5)
        assert "demo step evidence: status: ActualWeight: expected 5, saw 0" in said
        assert "the layer status disagrees; routes, proxy and traffic say what was expected" in said
        assert wrong(stage) == ["status"]

    def test_the_status_went_on_and_the_routes_did_not(self, stage: Stage):
        stage.world.mesh.routed = 0
        stage.world.route_names = {VSVC1: ["first"], VSVC2: ["secondary"]}
        said = refused(stage, 5)
        assert (
            f"routes: {VSVC1}, http route primary: expected revision 1 95 %, revision 2 5 %, saw {STABLE} 100" in said
        )
        assert "the layers routes, proxy and traffic disagree; status says what was expected" in said
        assert "route names don't match: the VirtualService's is primary, the Rollout lists first" in said
        assert "#4741" in said
        assert wrong(stage) == ["routes", "proxy", "traffic"]

    def test_the_routes_went_on_and_the_proxy_did_not(self, stage: Stage):
        stage.world.mesh.configured = 0
        said = refused(stage, 5)
        assert f"proxy: Envoy of {GATEWAY_POD}, http {HTTP[0]}: expected revision 1 95 %, revision 2 5 %" in said
        assert f"saw {STABLE} 100 (revision 1 100 %)" in said
        assert wrong(stage) == ["proxy", "traffic"]
        assert "was not given, or refused, what the route objects say" in said

    def test_the_proxy_alone_is_behind(self, stage: Stage):
        stage.world.mesh.configured, stage.world.mesh.flowing = 0, 5
        refused(stage, 5)
        assert wrong(stage) == ["proxy"]

    def test_everything_says_5_percent_but_the_traffic(self, stage: Stage):
        stage.world.mesh.flowing = 40
        said = refused(stage, 5)
        assert "other weights than 5 %" in said
        assert wrong(stage) == ["traffic"]
        share = stage.facts[-2]
        assert share.seen.count("95 % interval") == 3
        assert "missed, too" in share.seen
        assert "by chance" not in stage.said

    def test_where_another_layer_is_wrong_the_traffic_is_only_glanced_at(self, stage: Stage):
        stage.world.mesh.configured = 40
        refused(stage, 5, requests=2000)
        assert stage.world.mesh.answered == 100

    def test_the_rollout_goes_on_while_it_is_measured(self, stage: Stage):
        def goes_on(seen: Seen) -> bytes:
            if len(seen.requests) == 150:
                stage.world.promote()
                while stage.world.pending:
                    stage.world.pending.popleft()()
            return stage.world.mesh.respond(seen)

        with LoopbackServer(goes_on) as server:
            said = refused(stage, 5, served_at=server.port)
        assert wrong(stage) == ["traffic"]
        assert "the Rollout moved on meanwhile, from Paused (CanaryPauseStep), step 1/2" in said
        assert "to Healthy, step 2/2" in said
        assert "a longer pause leaves time to measure" in said

    def test_a_host_without_a_route_is_reported_layer_by_layer(self, stage: Stage):
        with LoopbackServer(lambda _: gateway_answer(404)) as server:
            said = refused(stage, 5, http=["elsewhere.example.com"], served_at=server.port)
        assert "routes: namespace default: expected revision 1 95 %, revision 2 5 %, saw no route for elsewhere" in said
        assert "no VirtualService or HTTPRoute of it is for such a request" in said
        assert wrong(stage) == ["routes", "proxy", "traffic"]
        assert "traffic: http elsewhere.example.com: answers, 5 %" in stage.said
        assert "requests all failed: status 404 from the gateway" in stage.said

    def test_a_gateway_that_leads_to_https_is_said_to_and_not_waited_for(self, stage: Stage):
        stage.world.mesh.redirects = True
        with LoopbackServer(lambda _: gateway_answer(301)) as server, pytest.raises(ExpectationError) as raised:
            run(stage, 5, served_at=server.port)
        assert wrong(stage)[0] == "routes"
        assert "saw a redirect to HTTPS" in raised.value.what
        assert f"list {HTTP[0]} under `tls`" in raised.value.next_step
        said = [event.message for event in stage.events if event.event == "stage-progress"]  # type: ignore[attr-defined]
        assert not any(message.startswith("waiting: ") for message in said), "no weight changes that"

    def test_a_host_that_answers_nothing_though_everything_else_is_right(self, stage: Stage):
        with LoopbackServer(lambda _: gateway_answer(503)) as server:
            said = refused(stage, 5, served_at=server.port)
        assert f"traffic: http {HTTP[0]}: expected answers, 5 % of them from the newest revision" in said
        assert wrong(stage) == ["traffic"]
        assert "reached no pod by it" in said

    def test_no_layer_may_say_what_was_expected(self, stage: Stage):
        assert "none says what was expected" in refused(stage, 50)


class TestProxies:
    def test_one_that_cannot_be_asked_is_a_layer_that_disagrees(self, stage: Stage):
        stage.world.mesh.unreachable.add(GATEWAY_POD)
        said = refused(stage, 5)
        assert f"proxy: Envoy of {GATEWAY_POD}, http {HTTP[0]}: expected revision 1 95 %" in said
        assert "saw it can't be asked (nobody)" in said
        assert wrong(stage) == ["proxy"]
        assert "connection refused" in said

    def test_a_gateway_without_a_ready_one_is_no_reason_to_leave_the_layer_out(self, stage: Stage):
        stage.world.mesh.is_up = False
        said = refused(stage, 5)
        assert "proxy: Service istio-ingress/istio-ingressgateway: expected an Envoy that is ready, saw none" in said
        assert "no pod behind Service istio-ingress/istio-ingressgateway is ready" in said

    def test_a_service_of_the_application_itself_has_none_and_is_asked_connection_by_connection(self, stage: Stage):
        stage.world.weight = 50
        served = []

        def responds(seen: Seen) -> bytes:
            served.append(seen)
            return stage.world.mesh.respond(seen)

        with LoopbackServer(responds) as server:
            gateway = {"namespace": "default", "service": "rollouts-demo"}
            run(stage, 50, gateway=gateway, http=["any.example.com"], served_at=server.port)
            assert server.seen.connections == len(served)
        assert [fact.text.partition(":")[0] for fact in stage.facts] == ["status", "routes", "traffic", "traffic"]
        assert stage.facts[1].text == "routes: endpoints of Service rollouts-demo"
        assert stage.facts[1].seen == "each ready one equally (revision 1 50 %, revision 2 50 %)"


class TestSilentAnswers:
    """Of applications that don't say which revision answers."""

    @pytest.fixture(autouse=True)
    def _silent(self, stage: Stage) -> None:
        stage.world.mesh.silent = True

    def test_they_are_counted_by_the_gateway(self, stage: Stage):
        run(stage, 5, tls=[SNI[VSVC1]])
        http, tls = (fact for fact in stage.facts if "canary's share" in fact.text)
        assert http.seen.startswith("5.00 % (10 of 200; 95 % interval")
        assert ") by the gateway's counters; " in http.seen
        assert ") by the gateway's counters; " in tls.seen

    def test_others_requests_on_the_same_route_do_no_harm(self, stage: Stage):
        stage.world.weight = 0

        def with_others(seen: Seen) -> bytes:
            if len(seen.requests) % 10 == 0:
                stage.world.mesh.respond(seen)
            return stage.world.mesh.respond(seen)

        with LoopbackServer(with_others) as server:
            run(stage, 0, served_at=server.port)
        assert "220 of 200 by the gateway's counters" in stage.said

    def test_some_that_take_no_known_way_are_missed(self, stage: Stage):
        stage.world.weight, stage.world.mesh.flowing = 0, 1
        said = refused(stage, 0)
        assert wrong(stage) == ["traffic"]
        assert "saw 198 of 200 by the gateway's counters" in said
        assert "the gateway counted fewer there" in said

    def test_a_proxy_that_cannot_be_asked_leaves_them_uncounted(self, stage: Stage):
        stage.world.mesh.unreachable.add(GATEWAY_POD)
        refused(stage, 5)
        assert wrong(stage) == ["proxy", "traffic"]
        assert "traffic: http any.rollouts-demo-vsvc1.bookinfo.com: answers, 5 %" in stage.said
        assert "the gateway's counters can't be read" in stage.said

    def test_without_a_gateway_they_point_to_the_environment_variable(self, stage: Stage):
        stage.world.weight = 50
        gateway = {"namespace": "default", "service": "rollouts-demo"}
        said = refused(stage, 50, gateway=gateway)
        assert wrong(stage) == ["traffic"]
        assert "200 from pods that don't say their revision" in said
        assert "environment variable REVISION" in said


class TestHeaders:
    def test_requests_with_a_header_take_another_route(self, stage: Stage):
        stage.world.mesh.testers = True
        run(stage, 100, weight=5, headers=dict([TESTERS]), http=list(HOSTS.values()))
        assert f"routes: {VSVC1}, http route testers: revision 2 100 %" in stage.said
        assert f"proxy: Envoy of {GATEWAY_POD}, http {HTTP[0]}, X-Tester: yes: revision 2 100 %" in stage.said

    def test_requests_without_it_do_not(self, stage: Stage):
        stage.world.mesh.testers = True
        run(stage, 5)
        assert f"routes: {VSVC1}, http route primary: revision 1 95 %, revision 2 5 %" in stage.said

    def test_another_value_does_not(self, stage: Stage):
        stage.world.mesh.testers = True
        run(stage, 5, headers={TESTERS[0]: "no"})

    def test_routes_see_the_path_and_the_query_apart_names_in_lower_case_and_the_gateways_own_port(self):
        target = Target("10.0.0.1", 31080, "a.example.com", path="/a?b=c", headers=(TESTERS,), gateway_port=80)
        assert request_of(target) == Request("a.example.com", "/a", {"x-tester": "yes"}, False, 80, {"b": "c"})
        assert request_of(replace(target, gateway_port=0)).port == 31080


class TestMirror:
    @pytest.fixture(autouse=True)
    def _mirror(self, stage: Stage) -> None:
        stage.world.weight, stage.world.mesh.mirror = 0, 100

    def test_every_request_is_copied_and_every_copy_counted_at_the_canary(self, stage: Stage):
        run(stage, 0, mirrored=100)
        [copies] = [fact for fact in stage.facts if "mirrored to the canary, counted" in fact.text]
        assert (copies.text, copies.expected) == (
            "traffic: requests mirrored to the canary, counted there",
            "300 of 300",
        )
        assert copies.holds
        routes, proxy = stage.facts[1:3]
        assert routes.expected == proxy.expected == "revision 1 100 %, mirrored to revision 2 100 %"
        assert f"mirrored to {CANARY} 100" in routes.seen
        assert f"mirrored to {CANARY} 100" in proxy.seen

    def test_what_the_canary_answers_besides_is_no_copy(self, stage: Stage):
        stage.world.weight = 5
        run(stage, 5, mirrored=100)
        assert "counted there: 300 of 300 | 300 of 300 | True" in stage.said

    def test_some_of_them_are_about_as_many(self, stage: Stage):
        stage.world.mesh.mirror, stage.world.mesh.copied = 30, 33
        run(stage, 0, mirrored=30)
        assert "counted there: about 90 of 300 | 99 of 300 | True" in stage.said

    @pytest.mark.parametrize(
        ("percent", "copied", "seen", "why"),
        [
            (100, 97, "expected 300 of 300, saw 291 of 300", "copies fewer"),
            (30, 10, "expected about 90 of 300, saw 30 of 300", "copies fewer"),
            (30, 60, "expected about 90 of 300, saw 180 of 300", "others ask"),
        ],
    )
    def test_too_few_or_too_many_are_a_disagreement_of_the_traffic(
        self, stage: Stage, percent: int, copied: int, seen: str, why: str
    ):
        stage.world.mesh.mirror, stage.world.mesh.copied = percent, copied
        said = refused(stage, 0, mirrored=percent)
        assert f"traffic: requests mirrored to the canary, counted there: {seen}" in said
        assert wrong(stage) == ["traffic"]
        assert why in said

    def test_copies_that_come_late_are_waited_for(self, stage: Stage, time: FakeTime):
        time.tick = 0
        stage.world.mesh.slow_copies = 3
        run(stage, 0, mirrored=100)
        assert stage.world.mesh.slow_copies == 0

    @pytest.mark.parametrize("percent", [30, 100])
    def test_a_canary_that_has_begun_to_count_anew_is_reported(self, stage: Stage, percent: int):
        mesh = stage.world.mesh
        mesh.mirror, mesh.arrived["yellow"] = percent, 10_000

        def restarting(seen: Seen) -> bytes:
            if len(seen.requests) == 1:
                mesh.arrived.clear()
            return mesh.respond(seen)

        with LoopbackServer(restarting) as server:
            said = refused(stage, 0, mirrored=percent, served_at=server.port)
        assert "a pod of the canary has gone with its count" in said

    def test_copies_of_others_requests_are_too_many(self, stage: Stage):
        def with_others(seen: Seen) -> bytes:
            if len(seen.requests) % 10 == 0:
                stage.world.mesh.respond(seen)
            return stage.world.mesh.respond(seen)

        with LoopbackServer(with_others) as server:
            said = refused(stage, 0, mirrored=100, served_at=server.port)
        assert "expected 300 of 300, saw 330 of 300" in said
        assert "others ask the same host meanwhile" in said

    def test_a_mirror_that_nobody_expects_is_reported(self, stage: Stage):
        said = refused(stage, 0)
        assert f"expected revision 1 100 %, saw {STABLE} 100, mirrored to {CANARY} 100" in said.replace(
            f"{STABLE} 100, {CANARY} 0", f"{STABLE} 100"
        )

    def test_a_mirror_that_is_missing_is_reported(self, stage: Stage):
        stage.world.mesh.mirror = 0
        refused(stage, 0, mirrored=100)
        assert wrong(stage) == ["routes", "proxy", "traffic"]

    def test_a_canary_that_cannot_be_asked_is_named(self, stage: Stage):
        pod = f"rollouts-demo-{HASHES['yellow']}-x"
        stage.world.mesh.unreachable.add(pod)
        said = refused(stage, 0, mirrored=100)
        assert f"Pod default/{pod}: the canary doesn't report how many requests were mirrored to it" in said
        assert "connection refused" in said

    def test_of_another_application_it_is_said_what_it_would_have_to_report(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("canarylab.demo.traffic.mirrored._PATH", "/metrics")
        said = refused(stage, 0, mirrored=100)
        assert "status 404" in said
        assert "the application must count them as images/rollouts-demo does" in said

    def test_without_a_canary_there_is_nobody_to_mirror_to(self, stage: Stage):
        stage.world.current = "blue"
        stage.world.index = 2
        assert "no canary to mirror to" in refused(stage, 100, mirrored=100)


class TestTraffic:
    """What is measured, with a server that answers by a script."""

    @pytest.fixture
    def against(self) -> Iterator[Callable[[Respond], int]]:
        """Serve by a script, and return its port."""
        servers: list[LoopbackServer] = []

        def serve(respond: Respond) -> int:
            servers.append(LoopbackServer(respond).__enter__())
            return servers[-1].port

        yield serve
        for server in servers:
            server.__exit__()

    def test_an_interval_that_misses_is_measured_again_and_both_are_reported(self, stage: Stage, against: Any):
        answers = iter([*[True] * 5, *[False] * 95, *[True] * 40, *[False] * 160, *[i % 20 == 0 for i in range(800)]])

        def scripted(_seen: object) -> bytes:
            return answer(HASHES["yellow" if next(answers) else "blue"])

        run(stage, 5, served_at=against(scripted))
        share = stage.facts[-2]
        assert share.holds
        assert share.seen.startswith("5.00 % (40 of 800")
        assert "; before that 20.00 % (40 of 200" in share.seen
        assert share.seen.endswith("missed by chance, as one in twenty does; measured again: holds")
        [told] = [event.message for event in stage.events if isinstance(event, Notice)]
        assert "canary's share 20.00 % (40 of 200" in told
        assert told.endswith("misses 5 %, as one in twenty does by chance; measuring again, with 800 requests")

    def test_one_that_holds_at_once_says_nothing_of_chance(self, stage: Stage):
        run(stage, 5)
        assert "chance" not in stage.said
        assert not [event for event in stage.events if isinstance(event, Notice)]

    def test_at_100_one_answer_of_another_revision_fails(self, stage: Stage):
        stage.world.weight, stage.world.mesh.flowing = 100, 99
        assert f"2 from {BLUE}" in refused(stage, 100)

    @pytest.fixture
    def settling(self, time: FakeTime) -> None:
        time.tick = 0

    @pytest.mark.usefixtures("settling")
    def test_it_waits_until_the_gateway_has_learnt_the_weights(self, stage: Stage, against: Any):
        stage.world.weight = 100
        late = lambda seen: answer(HASHES["blue" if len(seen.requests) < 250 else "yellow"])  # noqa: E731
        run(stage, 100, served_at=against(late))
        assert wrong(stage) == []

    def test_an_answer_of_neither_revision_fails_whatever_the_share(self, stage: Stage, against: Any):
        kinds = ["yellow"] + ["blue"] * 18 + ["green"]
        strange = lambda seen: answer(HASHES[kinds[len(seen.requests) % 20]])  # noqa: E731
        said = refused(stage, 5, served_at=against(strange), requests=800)
        assert f"40 from {HASHES['green']}" in said
        assert "pods of another revision" in said

    @pytest.mark.usefixtures("settling")
    def test_kube_proxy_is_waited_for_until_it_knows_every_pod(self, stage: Stage, against: Any):
        stage.world.weight = 50

        def late(seen: Seen) -> bytes:
            known = ["blue", "yellow"] if len(seen.requests) > 100 else ["blue", "gone"]
            color = known[len(seen.requests) % 2]
            return answer(HASHES["blue" if color == "blue" else "yellow"], pod=f"rollouts-demo-{HASHES.get(color)}-x")

        port, gateway = against(late), {"namespace": "default", "service": "rollouts-demo"}
        run(stage, 50, gateway=gateway, served_at=port)
        assert "of 400 failed" in stage.said, "two looks, and 200 requests"

    def test_of_a_bad_canary_its_own_answers_may_fail(self, stage: Stage, against: Any):
        def bad(seen: Seen) -> bytes:
            return answer(HASHES["yellow"], status=500) if len(seen.requests) % 20 == 0 else answer(HASHES["blue"])

        run(stage, 5, may_fail="canary", served_at=against(bad))
        assert f"traffic: failed answers, all from {YELLOW}: some, and no others | 15 of 300 | True" in stage.said

    @pytest.mark.parametrize(("failing", "seen"), [("blue", f"0 of 300; 15 from {BLUE}"), ("", "0 of 300")])
    def test_but_others_may_not_and_some_have_to(self, stage: Stage, against: Any, failing: str, seen: str):
        stage.world.weight = 0

        def bad(seen: Seen) -> bytes:
            return answer(HASHES["blue"], status=500 if failing and len(seen.requests) % 20 == 0 else 200)

        said = refused(stage, 0, may_fail="canary", served_at=against(bad))
        assert f"traffic: failed answers, all from {YELLOW}: expected some, and no others, saw {seen}" in said

    def test_a_failed_request_fails_it_even_if_the_share_is_right(self, stage: Stage, against: Any):
        stage.world.weight = 0
        once = lambda seen: answer(HASHES["blue"], status=500 if len(seen.requests) == 150 else 200)  # noqa: E731
        said = refused(stage, 0, served_at=against(once))
        assert "traffic: not one request failed: expected 0 failed, saw 1 of 300 failed" in said

    def test_where_there_is_no_time_for_so_many_fewer_are_asked_and_that_is_said(self, stage: Stage):
        run(stage, 5, timeout=2, requests=100_000)
        notices = [event.message for event in stage.events if isinstance(event, Notice)]  # type: ignore[attr-defined]
        [said] = [message for message in notices if "instead of 100,000" in message]
        assert re.search(r"answers/s, and [12] s for this host: [\d,]+ requests instead", said)

    def test_a_deadline_that_is_too_near_says_how_far_it_came(self, stage: Stage):
        said = refused(stage, 5, timeout=0.01, requests=100_000)
        assert wrong(stage) == ["traffic"]
        assert re.search(r"only [\d,]+ of [\d,]+ requests were answered in time", said), (
            "of the measurement, or the look before it"
        )
        assert "a longer `timeout`" in said


class TestBeforeAnythingIsMeasured:
    def test_without_an_update_there_is_no_canary_to_measure(self, stage: Stage):
        stage.world.promote()
        while stage.world.pending:
            stage.world.pending.popleft()()
        assert "has no canary to measure" in refused(stage, 5)

    def test_a_gateway_without_an_address_points_to_the_tunnel(self, stage: Stage):
        stage.world.address = None
        said = refused(stage, 5)
        assert "the gateway has no address" in said
        assert "invoke tunnel" in said

    def test_a_gateway_that_is_not_there_is_named(self, stage: Stage):
        gateway = {"namespace": "default", "service": "nobody"}
        assert "Service default/nobody: the gateway's Service isn't there" in refused(stage, 5, gateway=gateway)

    def test_a_route_that_leads_elsewhere_gets_no_request(self, stage: Stage):
        def elsewhere(_ctx: object, _address: str) -> None:
            raise ExpectationError("the route leads elsewhere")

        stage.provider.access.check_route = elsewhere  # type: ignore[method-assign]
        assert "leads elsewhere" in refused(stage, 5)
        assert (stage.facts, stage.world.mesh.answered) == ([], 0)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"http": []},
            {"canary": 101},
            {"canary": -1},
            {"weight": 101},
            {"mirrored": 101},
            {"requests": 99},
            {"http": ["*.example.com"]},
            {"http": ["a.example.com:80"]},
            {"http": ["a b"]},
            {"tls": ["ä.example.com"]},
            {"path": "color"},
            {"path": "/a b"},
            {"headers": {"X Tester": "yes"}},
            {"headers": {"X-Tester": "two\nlines"}},
            {"headers": {"X-Tester": "ä"}},
            {"headers": {"host": "other"}},
            {"headers": {"Connection": "close"}},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, wrong: dict[str, Any]):
        with pytest.raises(ValidationError):
            evidence(**{"canary": 5, **wrong})

    def test_an_empty_value_of_a_header_can_be_sent(self):
        assert evidence(5, headers={"X-Tester": ""}).options.headers == {"X-Tester": ""}  # type: ignore[attr-defined]
