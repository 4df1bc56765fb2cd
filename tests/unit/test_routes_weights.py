from __future__ import annotations

from watch_world import canary_strategy, rollout, virtual_service

from canarylab.rollouts.routes.route import ObjectRef
from canarylab.rollouts.routes.route_objects import RouteWeight, weighted_objects, weights
from canarylab.watch.state import Debounce

PLUGIN = "argoproj-labs/gatewayAPI"


def routed(**routing):
    made = rollout(canary_strategy())
    made["spec"]["strategy"]["canary"]["trafficRouting"] = routing
    return made


def test_the_virtual_services_are_those_that_the_rollout_names():
    istio = {"virtualService": {"name": "one"}, "virtualServices": [{"name": "two.web"}]}
    assert weighted_objects(routed(istio=istio)) == [
        ObjectRef("networking.istio.io/v1", "VirtualService", "two", "web"),
        ObjectRef("networking.istio.io/v1", "VirtualService", "one", "shop"),
    ]


def test_the_http_routes_are_those_of_the_plugin():
    found = weighted_objects(routed(plugins={PLUGIN: {"httpRoute": "web", "namespace": "edge"}}))
    assert found == [ObjectRef("gateway.networking.k8s.io/v1", "HTTPRoute", "web", "edge")]


def test_a_rollout_without_a_router_has_no_routes():
    assert weighted_objects(rollout(canary_strategy(routed=False))) == []


def test_a_route_that_chooses_between_stable_and_canary_has_a_weight():
    assert weights(rollout(canary_strategy()), [virtual_service(25)]) == (RouteWeight("web, http route primary", 25),)


def test_a_route_for_testers_alone_is_not_about_weights():
    alone = virtual_service(25)
    alone["spec"]["http"][0]["route"] = [{"destination": {"host": "web-canary"}}]
    assert weights(rollout(canary_strategy()), [alone]) == ()


def test_subsets_are_told_apart_by_their_names():
    rule = {"name": "web", "stableSubsetName": "old", "canarySubsetName": "new"}
    made = routed(istio={"virtualService": {"name": "web"}, "destinationRule": rule})
    split = virtual_service(0)
    split["spec"]["http"][0]["route"] = [
        {"destination": {"host": "web", "subset": "old"}, "weight": 90},
        {"destination": {"host": "web", "subset": "new"}, "weight": 10},
    ]
    assert [route.canary for route in weights(made, [split])] == [10]


def test_with_ping_and_pong_stable_is_the_one_that_the_status_names():
    made = rollout({"canary": {"pingPong": {"pingService": "web-canary", "pongService": "web-stable"}}})
    made["status"]["canary"] = {"stablePingPong": "pong"}
    assert [route.canary for route in weights(made, [virtual_service(25)])] == [25]
    made["status"]["canary"] = {"stablePingPong": "ping"}
    assert [route.canary for route in weights(made, [virtual_service(25)])] == [75]


def test_weights_of_an_http_route_are_parts_of_their_sum():
    backends = [{"name": "web-stable", "weight": 3}, {"name": "web-canary"}]
    http_route = {"kind": "HTTPRoute", "metadata": {"name": "web"}, "spec": {"rules": [{"backendRefs": backends}]}}
    assert weights(rollout(canary_strategy()), [http_route]) == (RouteWeight("web, rule number 1", 25),)


def test_a_disagreement_in_passing_is_none():
    debounce, mismatched = Debounce(), (RouteWeight("web, http route primary", 0),)
    assert debounce.settled(mismatched, 10.0) == ()
    assert debounce.settled(mismatched, 12.9) == ()
    assert debounce.settled((), 12.95) == ()
    assert debounce.settled(mismatched, 13.0) == ()
    assert debounce.settled(mismatched, 16.0) == mismatched
