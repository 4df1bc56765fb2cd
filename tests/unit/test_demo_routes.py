"""The weights of VirtualServices, and why a controller leaves a route alone."""

from __future__ import annotations

from typing import Any

import pytest
from demo_world import VSVC1, VSVC2, Stage, step

from canarylab.demo.expect_routes import ExpectRoutes
from canarylab.demo.routes import left_alone, routes
from canarylab.errors import ExpectationError


@pytest.fixture
def stage() -> Stage:
    return Stage()


def expect(stable: int, canary: int):
    return step(ExpectRoutes, rollout="rollouts-demo", virtualservices=[VSVC1, VSVC2], stable=stable, canary=canary)


def rollout(**listed: Any) -> dict[str, Any]:
    """A Rollout that lists the VirtualService `vs` with these routes."""
    routing = {"istio": {"virtualService": {"name": "vs", **listed}}}
    return {"spec": {"strategy": {"canary": {"trafficRouting": routing}}}}


def virtual_service(*http: str, tls: int = 0) -> dict[str, Any]:
    match = [{"port": 3000, "sniHosts": ["a.example.com"]}]
    spec = {"http": [{"name": name, "route": []} for name in http], "tls": [{"match": match, "route": []}] * tls}
    return {"metadata": {"name": "vs"}, "spec": spec}


def causes(service: dict[str, Any], by: dict[str, Any]) -> list[str]:
    found = routes(service)
    return [left_alone(route, by, sum(one.protocol == "http" for one in found)) for route in found]


class TestStep:
    def test_every_http_and_tls_route_of_both_services_is_a_fact(self, stage: Stage):
        expect(100, 0).run(stage.ctx, None)
        assert [fact.text for fact in stage.facts] == [
            "rollouts-demo-vsvc1, http route primary",
            "rollouts-demo-vsvc1, tls route reviews.rollouts-demo-vsvc1.bookinfo.com",
            "rollouts-demo-vsvc2, http route secondary",
            "rollouts-demo-vsvc2, tls route reviews.rollouts-demo-vsvc2.bookinfo.com",
        ]
        assert {fact.seen for fact in stage.facts} == {"rollouts-demo-stable 100, rollouts-demo-canary 0"}

    def test_it_waits_for_weights_that_come_later(self, stage: Stage):
        stage.world.weight = 100
        stage.world.pending.append(stage.world._reroute)
        expect(100, 0).run(stage.ctx, None)
        assert all(fact.holds for fact in stage.facts)

    def test_other_weights_fail_with_what_was_seen_and_where_the_rollout_stands(self, stage: Stage):
        with pytest.raises(ExpectationError, match="saw rollouts-demo-stable 100, rollouts-demo-canary 0") as raised:
            expect(95, 5).run(stage.ctx, None)
        assert "the Rollout is Healthy" in str(raised.value)
        assert len(stage.facts) == 4

    def test_a_mismatch_of_route_names_is_the_likely_cause(self, stage: Stage):
        stage.world.route_names = {VSVC1: ["first"], VSVC2: ["secondary"]}
        with pytest.raises(ExpectationError, match="#4741"):
            expect(95, 5).run(stage.ctx, None)

    def test_a_virtual_service_that_is_not_there_is_named(self, stage: Stage):
        missing = step(ExpectRoutes, rollout="rollouts-demo", virtualservices=["nowhere"], stable=100, canary=0)
        with pytest.raises(ExpectationError, match="no VirtualService default/nowhere"):
            missing.run(stage.ctx, None)

    def test_a_virtual_service_without_routes_does_not_pass(self, stage: Stage, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(stage.world, "virtual_service", lambda name: {"metadata": {"name": name}, "spec": {}})
        with pytest.raises(ExpectationError, match="saw none"):
            expect(100, 0).run(stage.ctx, None)


class TestWeights:
    def test_a_destination_alone_takes_all_of_it(self):
        service = virtual_service("primary")
        service["spec"]["http"][0]["route"] = [{"destination": {"host": "stable.default.svc.cluster.local"}}]
        assert routes(service)[0].weights == {"stable": 100}

    def test_one_of_several_without_a_weight_takes_nothing(self):
        service = virtual_service("primary")
        destinations = [{"destination": {"host": "stable"}, "weight": 100}, {"destination": {"host": "canary"}}]
        service["spec"]["http"][0]["route"] = destinations
        assert routes(service)[0].weights == {"stable": 100, "canary": 0}


class TestLeftAlone:
    def test_routes_that_are_listed_by_name_are_not(self):
        assert causes(virtual_service("primary", tls=1), rollout(routes=["primary"])) == ["", ""]

    def test_a_name_that_is_not_listed_is(self):
        (cause,) = causes(virtual_service("primary"), rollout(routes=["first"]))
        assert "the VirtualService's is primary, the Rollout lists first" in cause

    def test_without_a_list_one_route_is_weighted_and_several_named_ones_are_not(self):
        assert causes(virtual_service("primary"), rollout()) == [""]
        assert all("#3884" in cause for cause in causes(virtual_service("primary", "secondary"), rollout()))

    def test_a_virtual_service_that_the_rollout_does_not_list_is(self):
        (cause,) = causes({**virtual_service("primary"), "metadata": {"name": "other"}}, rollout(routes=["primary"]))
        assert "doesn't list other" in cause

    def test_tls_routes_match_by_port_and_sni_hosts(self):
        match = {"port": 3000, "sniHosts": ["a.example.com"]}
        assert causes(virtual_service(tls=1), rollout(tlsRoutes=[match])) == [""]
        assert causes(virtual_service(tls=1), rollout(tlsRoutes=[{**match, "port": 443}])) != [""]
        assert causes(virtual_service(tls=1), rollout(tlsRoutes=[{"sniHosts": ["b.example.com"]}])) != [""]

    def test_without_a_list_only_the_first_tls_route_is_weighted(self):
        first, second = causes(virtual_service(tls=2), rollout())
        assert first == ""
        assert "only the first" in second
