"""What a Rollout says of its traffic is read in one place, and so are the routes of VirtualServices."""

from __future__ import annotations

from typing import Any

import pytest

from canarylab.paths import REPOSITORY
from canarylab.rollouts.traffic_routing import StableAndCanary, full_weight, listed_virtual_services

RULE = {"name": "app", "stableSubsetName": "old", "canarySubsetName": "new"}
PING_PONG = {"pingPong": {"pingService": "ping", "pongService": "pong"}}


def rollout(canary: dict[str, Any], **istio: Any) -> dict[str, Any]:
    routing = {"trafficRouting": {"istio": istio}}
    return {"metadata": {"namespace": "shop"}, "spec": {"strategy": {"canary": {**canary, **routing}}}}


@pytest.mark.parametrize(
    ("written", "name", "namespace"),
    [
        ("web", "web", "shop"),
        ("web.edge", "web", "edge"),
        ("web.edge.cluster.local", "web", "edge"),
        ("web.v1.edge", "web.v1", "edge"),
        ("web.edge.svc.cluster.local", "web.edge", "svc"),
    ],
)
def test_a_virtual_service_is_listed_by_name_and_namespace(written: str, name: str, namespace: str):
    [entry] = listed_virtual_services(rollout({}, virtualService={"name": written}))
    assert (entry.written, entry.name, entry.namespace) == (written, name, namespace)


def test_of_a_list_each_keeps_its_place():
    several = [{"name": "one", "routes": ["primary"]}, {"routes": ["nameless"]}, {"name": "two", "tcpRoutes": [{}]}]
    found = listed_virtual_services(rollout({}, virtualServices=several))
    assert [(one.name, one.place[-1], one.routes, one.tcp_routes) for one in found] == [
        ("one", 0, ["primary"], ()),
        ("two", 2, (), [{}]),
    ]


@pytest.mark.parametrize(
    ("canary", "istio", "by", "stable", "new"),
    [
        ({"stableService": "a", "canaryService": "b"}, {}, "Service", "a", "b"),
        ({"stableService": "a", "canaryService": "b"}, {"destinationRule": RULE}, "subset", "old", "new"),
        (PING_PONG, {}, "Service", "ping", "pong"),
        ({}, {}, "Service", "", ""),
    ],
)
def test_stable_and_canary_are_two_services_or_two_subsets(
    canary: dict[str, Any], istio: dict[str, Any], by: str, stable: str, new: str
):
    both = StableAndCanary.of(rollout(canary, **istio))
    assert (both.by, both.stable, both.canary) == (by, stable, new)


def test_a_destination_without_a_name_is_neither():
    assert StableAndCanary("subset", "", "").role("app", "") == ""
    assert StableAndCanary("Service", "a", "b").role("b", "whichever") == "canary"


def test_all_of_the_traffic_is_100_unless_it_is_said():
    assert full_weight({"trafficRouting": {}}) == full_weight(None) == 100
    assert full_weight({"trafficRouting": {"maxTrafficWeight": 1000}}) == 1000


READERS = {
    "rollouts/routes/virtual_services.py": "as Istio reads it: where a request goes",
    "rollouts/validation/listed_virtual_service.py": "as Argo reads it: what it weighs, deletes and refuses",
    "rollouts/causes/mesh/destinations.py": "where any of its routes leads",
}


def test_who_reads_a_virtual_service_has_a_reason_of_its_own():
    package = REPOSITORY / "canarylab"
    readers = [file for file in package.rglob("*.py") if '"destination"' in file.read_text()]
    assert {str(file.relative_to(package)) for file in readers} == set(READERS)
