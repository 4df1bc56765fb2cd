"""The Envoys behind a gateway's Service: what each would do with a request, and what all have counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from envoy_samples import cluster, clusters, endpoint, http_route, listeners, mirrored, routes, weighted
from support.fake_cluster import FakeCluster

from canarylab.errors import StageError
from canarylab.kube.client import ApiError
from canarylab.kube.forward import PodPort
from canarylab.rollouts.routes import envoy, proxies
from canarylab.rollouts.routes.backends import Backends
from canarylab.rollouts.routes.match import Proxy, Request
from canarylab.rollouts.routes.proxies import Proxies

Json = dict[str, Any]

HOST = "a.example.com"
HTTP = Request(HOST, "/color", {}, tls=False, port=80)
TLS = Request(HOST, "/color", {}, tls=True, port=3000)
STABLE, CANARY = cluster("stable"), cluster("canary")
SERVICE: Json = {"metadata": {"name": "gateway", "namespace": "ingress"}, "spec": {"selector": {"istio": "ingress"}}}


class Port(PodPort):
    """Says what the test wrote down, by pod and path."""

    said: dict[str, dict[str, Json]] = {}  # noqa: RUF012 - a test fills it
    closed: list[str] = []  # noqa: RUF012
    paths: list[str] = []  # noqa: RUF012

    def __init__(self, _cluster: Any, namespace: str, pod: str, port: int) -> None:
        assert (namespace, port) == ("ingress", envoy.ADMIN_PORT)
        self._pod, self._where = pod, f"Pod {pod}"

    def get(self, path: str) -> bytes:
        self.paths.append(path)
        found = self.said[self._pod]
        if path not in found:
            raise ApiError("connection refused", None, where=self._where)
        return json.dumps(found[path]).encode()

    def close(self) -> None:
        self.closed.append(self._pod)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Json]]:
    """What each Envoy says, to be filled."""
    monkeypatch.setattr(proxies, "PodPort", Port)
    Port.said, Port.closed, Port.paths = {}, [], []
    return Port.said


def gateway(name: str, *containers: str, ready: bool = True, namespace: str = "ingress") -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"istio": "ingress"}},
        "spec": {"containers": [{"name": each} for each in containers or ("istio-proxy",)]},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def pod(revision: str, address: str) -> Json:
    meta = {"name": revision, "namespace": "default", "labels": {"rollouts-pod-template-hash": revision}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": {"podIP": address}}


PODS = (pod("aaa", "10.0.0.1"), pod("bbb", "10.0.0.2"))


def dumps(action: Json, *stable: Json, canary: tuple[Json, ...] = ()) -> dict[str, Json]:
    """Everything that an Envoy with one route says."""
    return {
        envoy.ROUTES: routes({HOST: [http_route(action)]}),
        envoy.LISTENERS: listeners({HOST: action}),
        envoy.CLUSTERS: clusters({STABLE: stable, CANARY: canary}),
    }


def opened(*gateways: Json) -> Proxies:
    return Proxies(FakeCluster(*gateways), SERVICE)  # type: ignore[arg-type]


def backends() -> Backends:
    return Backends(FakeCluster(*PODS), "default", Proxy("istio-ingress", {}))  # type: ignore[arg-type]


class TestWhichPods:
    @pytest.mark.parametrize(
        "other",
        [
            gateway("app", "rollouts-demo", "istio-proxy"),
            gateway("new", ready=False),
            gateway("elsewhere", namespace="default"),
        ],
    )
    def test_those_that_are_ready_and_nothing_but_an_envoy(self, said: dict[str, Any], other: Json):
        assert not opened(other)
        said["one"] = dumps(weighted({STABLE: 100}), endpoint("10.0.0.1"))
        assert len(opened(gateway("one"), other).seen(HTTP, backends())) == 1

    def test_connections_end_with_the_block(self, said: dict[str, Any]):
        with opened(gateway("one"), gateway("two")):
            assert Port.closed == []
        assert Port.closed == ["one", "two"]
        assert said == {}


class TestSeen:
    @pytest.mark.parametrize("sent", [HTTP, TLS])
    def test_clusters_are_resolved_to_revisions_by_the_addresses_of_their_endpoints(
        self, said: dict[str, Any], sent: Request
    ):
        weights = weighted({STABLE: 95, CANARY: 5})
        said["one"] = dumps(weights, endpoint("10.0.0.1"), canary=(endpoint("10.0.0.2"),))
        (seen,) = opened(gateway("one")).seen(sent, backends())
        assert (seen.where, seen.words) == ("Envoy of one", "stable 95, canary 5")
        assert seen.agrees({"aaa": 95, "bbb": 5}, {})

    def test_endpoints_share_what_their_cluster_gets_and_unhealthy_ones_get_nothing(self, said: dict[str, Any]):
        behind = [endpoint("10.0.0.1"), endpoint("10.0.0.2"), endpoint("10.9.9.9", healthy=False)]
        said["one"] = dumps(weighted({STABLE: 100}), *behind)
        (seen,) = opened(gateway("one")).seen(HTTP, backends())
        assert seen.shares == {"aaa": 50, "bbb": 50}

    def test_an_address_of_nobody_is_of_no_revision(self, said: dict[str, Any]):
        said["one"] = dumps(weighted({STABLE: 100}), endpoint("10.9.9.9"))
        (seen,) = opened(gateway("one")).seen(HTTP, backends())
        assert seen.shares == {"": 100}

    def test_a_cluster_without_healthy_endpoints_leaves_its_share_to_nobody(self, said: dict[str, Any]):
        said["one"] = dumps(weighted({STABLE: 95, CANARY: 5}), endpoint("10.0.0.1"))
        (seen,) = opened(gateway("one")).seen(HTTP, backends())
        assert not seen.agrees({"aaa": 95, "bbb": 5}, {})

    def test_copies_are_told_apart(self, said: dict[str, Any]):
        action = {**weighted({STABLE: 100}), "request_mirror_policies": [mirrored(CANARY, 30)]}
        said["one"] = dumps(action, endpoint("10.0.0.1"), canary=(endpoint("10.0.0.2"),))
        (seen,) = opened(gateway("one")).seen(HTTP, backends())
        assert seen.agrees({"aaa": 100}, {"bbb": 30})

    def test_each_speaks_for_itself(self, said: dict[str, Any]):
        said["one"] = dumps(weighted({STABLE: 100}), endpoint("10.0.0.1"))
        said["two"] = {**said["one"], envoy.ROUTES: routes({})}
        said["three"] = {}
        one, two, three = opened(gateway("one"), gateway("two"), gateway("three")).seen(HTTP, backends())
        assert one.agrees({"aaa": 100}, {})
        assert (two.where, two.words, two.shares) == ("Envoy of two", "no route for a.example.com", {})
        assert (three.words, three.cause) == ("it can't be asked", "Pod three: connection refused")

    def test_one_that_does_not_speak_json_cannot_be_asked(self, said: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
        said["one"] = {}
        monkeypatch.setattr(Port, "get", lambda *_: b"<html>")
        (seen,) = opened(gateway("one")).seen(HTTP, backends())
        assert seen.words == "it can't be asked"
        assert "isn't JSON" in seen.cause


class TestCounts:
    def behind(self, **counted: int) -> dict[str, Json]:
        stable = [endpoint("10.0.0.1", requests=counted.get("requests", 0), connections=counted.get("connections", 0))]
        canary = (endpoint("10.0.0.2", requests=1, connections=2), endpoint("10.9.9.9", requests=4, connections=8))
        return dumps(weighted({STABLE: 95, CANARY: 5}), *stable, canary=canary)

    def test_those_of_all_envoys_are_summed_up_by_revision(self, said: dict[str, Any]):
        said |= {"one": self.behind(requests=100), "two": self.behind(requests=50)}
        counted = opened(gateway("one"), gateway("two")).counts(HTTP, backends())
        assert counted == {"aaa": 150, "bbb": 2, "": 8}

    def test_of_tls_connections_are_counted(self, said: dict[str, Any]):
        said["one"] = self.behind(requests=100, connections=7)
        assert opened(gateway("one")).counts(TLS, backends()) == {"aaa": 7, "bbb": 2, "": 8}

    def test_clusters_that_the_route_does_not_name_are_left_out(self, said: dict[str, Any]):
        said["one"] = dumps(
            weighted({STABLE: 100}), endpoint("10.0.0.1", requests=3), canary=(endpoint("10.0.0.2", requests=9),)
        )
        assert opened(gateway("one")).counts(HTTP, backends()) == {"aaa": 3}

    def test_one_without_a_route_has_sent_nothing_and_is_asked_no_further(self, said: dict[str, Any]):
        said["one"] = {envoy.LISTENERS: listeners({}), envoy.ROUTES: routes({})}
        assert opened(gateway("one")).counts(HTTP, backends()) == {}
        assert Port.paths == [envoy.LISTENERS, envoy.ROUTES]

    def test_one_that_cannot_be_asked_is_an_error(self, said: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
        said["one"] = {}
        with pytest.raises(ApiError, match="refused"):
            opened(gateway("one")).counts(HTTP, backends())
        monkeypatch.setattr(Port, "get", lambda *_: b"<html>")
        with pytest.raises(StageError):
            opened(gateway("one")).counts(HTTP, backends())
