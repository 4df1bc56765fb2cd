"""What an update leaves in route objects, as `demo --reset` looks for it."""

from __future__ import annotations

import pytest
from support.fake_cluster import FakeCluster

from canarylab.rollouts.routes.route_objects import leftover, watches

ISTIO = ("networking.istio.io/v1", "VirtualService")
GATEWAY_API = ("gateway.networking.k8s.io/v1", "HTTPRoute")
STABLE, CANARY = {"destination": {"host": "app-stable"}}, {"destination": {"host": "app-canary.shop.svc"}}


def rollout(**istio):
    canary = {"canaryService": "app-canary", "stableService": "app-stable"}
    routing = {"managedRoutes": [{"name": "testers"}], "istio": istio}
    return {"metadata": {"namespace": "shop"}, "spec": {"strategy": {"canary": {**canary, "trafficRouting": routing}}}}


def cluster(kind, spec):
    meta = {"name": "app", "namespace": "shop"}
    return FakeCluster({"apiVersion": kind[0], "kind": kind[1], "metadata": meta, "spec": spec}, kinds=[kind])


def route(*weighted, name="primary"):
    return {"name": name, "route": [{**to, "weight": weight} for to, weight in weighted]}


@pytest.mark.parametrize(
    "spec",
    [
        {"http": [route((STABLE, 100), (CANARY, 0))]},
        {"http": [{"route": [STABLE, CANARY]}]},
        {"http": [route((STABLE, 50), ({"destination": {"host": "other"}}, 50))]},
        {"tcp": [route((STABLE, 100))], "tls": None},
    ],
)
def test_nothing_is_left_where_nothing_is_weighted_to_the_canary(spec):
    (claim,) = leftover(cluster(ISTIO, spec), rollout())
    assert claim.holds


@pytest.mark.parametrize("protocol", ["http", "tls", "tcp"])
def test_a_weight_of_the_canary_is_reported(protocol):
    (claim,) = leftover(cluster(ISTIO, {protocol: [route((STABLE, 95), (CANARY, 5))]}), rollout())
    assert (claim.holds, claim.seen) == (False, "VirtualService app gives the canary 5")


def test_a_route_that_a_step_made_is_reported():
    (claim,) = leftover(cluster(ISTIO, {"http": [route((CANARY, 100), name="testers")]}), rollout())
    assert claim.seen == "VirtualService app has the managed route testers"


def test_with_subsets_it_is_the_canary_s_subset_that_counts():
    subsets = {"destinationRule": {"canarySubsetName": "canary", "stableSubsetName": "stable"}}
    to = [{"destination": {"host": "app-canary", "subset": name}} for name in ("stable", "canary")]
    (claim,) = leftover(cluster(ISTIO, {"http": [route((to[0], 80), (to[1], 20))]}), rollout(**subsets))
    assert claim.seen == "VirtualService app gives the canary 20"


def test_an_http_route_of_the_gateway_api_counts_too():
    backends = [{"name": "app-stable", "weight": 70}, {"name": "app-canary", "weight": 30}]
    (claim,) = leftover(cluster(GATEWAY_API, {"rules": [{"backendRefs": backends}]}), rollout())
    assert claim.seen == "HTTPRoute app gives the canary 30"


def test_without_a_traffic_router_there_are_no_routes_to_look_at():
    bare = {"metadata": {"namespace": "shop"}, "spec": {"strategy": {"canary": {}}}}
    assert leftover(cluster(ISTIO, {"http": [route((CANARY, 5))]}), bare) == []


def test_an_object_that_the_rollout_names_is_looked_at_and_watched_wherever_it_is():
    elsewhere = {"name": "app", "namespace": "routes"}
    spec = {"http": [route((STABLE, 95), (CANARY, 5))]}
    there = FakeCluster({"apiVersion": ISTIO[0], "kind": ISTIO[1], "metadata": elsewhere, "spec": spec}, kinds=[ISTIO])
    named = rollout(virtualService={"name": "app.routes"})
    (claim,) = leftover(there, named)
    assert claim.seen == "VirtualService app gives the canary 5"
    assert [watch.namespace for watch in watches(there, named)] == ["shop", "routes"]


def test_kinds_that_the_cluster_does_not_know_are_not_watched():
    assert [watch.kind for watch in watches(cluster(ISTIO, {}), rollout())] == ["VirtualService"]
    assert watches(FakeCluster(), rollout()) == []
