from __future__ import annotations

import json
from typing import ClassVar

import pytest
from support.fake_cluster import FakeCluster

from canarylab.errors import StageError
from canarylab.kube.client import ApiError
from canarylab.watch import gateways
from canarylab.watch.gateways import Gateways
from canarylab.watch.traffic import Counted

ISTIO = ("networking.istio.io/v1", "Gateway")
API = ("gateway.networking.k8s.io/v1", "Gateway")


def gateway(kind, namespace="shop", **spec):
    return {"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": "edge", "namespace": namespace}, "spec": spec}


def pod(name, namespace, labels, *, args=("proxy", "router"), phase="Running", **meta):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, **meta},
        "spec": {"containers": [{"name": "istio-proxy", "args": [*args, "--domain", "x"]}]},
        "status": {"phase": phase},
    }


def clusters(*hosts):
    """What Envoy's admin interface answers: address, requests, errors."""
    statuses = [
        {
            "address": {"socket_address": {"address": address, "port_value": 8080}},
            "stats": [{"name": "rq_total", "value": str(asked)}, {"name": "rq_error", "value": str(failed)}],
        }
        for address, asked, failed in hosts
    ]
    name = "outbound|80||web.shop.svc.cluster.local"
    return json.dumps({"cluster_statuses": [{"name": name, "host_statuses": statuses}]}).encode()


@pytest.fixture
def envoys(monkeypatch):
    """What each gateway's pod answers, an error to be raised too; `asked` has who was asked for what."""

    class Port:
        answers: ClassVar[dict] = {}
        asked: ClassVar[list] = []
        closed: ClassVar[list] = []

        def __init__(self, _cluster, namespace, name, port):
            assert port == 15000
            self.name = f"{namespace}/{name}"

        def get(self, path):
            Port.asked.append((self.name, path))
            answer = Port.answers[self.name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        def close(self):
            Port.closed.append(self.name)

    Port.answers, Port.asked, Port.closed = {}, [], []
    monkeypatch.setattr(gateways, "PodPort", Port)
    return Port


def one_gateway():
    return FakeCluster(
        gateway(ISTIO, selector={"istio": "edge"}), pod("edge-1", "istio-ingress", {"istio": "edge"}), kinds=[ISTIO]
    )


def test_the_pods_that_an_istio_gateway_selects_are_asked_wherever_they_are(envoys):
    envoys.answers["istio-ingress/edge-1"] = clusters(("10.0.1.1", 30, 2))
    reading = Gateways(one_gateway(), "shop").read(0.0)
    assert (reading.problem, reading.gateways) == ("", ("istio-ingress/edge-1",))
    assert list(reading.counters.values()) == [Counted("10.0.1.1", 30, 2)]
    assert envoys.asked == [("istio-ingress/edge-1", r"/clusters?format=json&filter=%5C.shop%5C.svc%5C.")]


def test_the_pods_of_a_gateway_of_the_gateway_api_are_asked(envoys):
    envoys.answers["shop/edge-istio-1"] = clusters(("10.0.1.1", 1, 0))
    labels = {"gateway.networking.k8s.io/gateway-name": "edge"}
    cluster = FakeCluster(
        gateway(API), pod("edge-istio-1", "shop", labels), pod("edge-istio-2", "other", labels), kinds=[API]
    )
    assert Gateways(cluster, "shop").read(0.0).gateways == ("shop/edge-istio-1",)


@pytest.mark.parametrize(
    "other",
    [
        pod("web-1", "shop", {"istio": "edge"}, args=("proxy", "sidecar")),
        pod("edge-0", "shop", {"istio": "edge"}, phase="Pending"),
        pod("edge-0", "shop", {"istio": "edge"}, deletionTimestamp="2027-01-15T08:00:00Z"),
        pod("edge-0", "shop", {"istio": "another"}),
    ],
    ids=["a sidecar", "not running yet", "leaving", "another gateway's"],
)
def test_what_is_no_gateway_that_runs_is_not_asked(envoys, other):
    envoys.answers["istio-ingress/edge-1"] = clusters()
    cluster = one_gateway()
    cluster.put(other)
    assert Gateways(cluster, "shop").read(0.0).gateways == ("istio-ingress/edge-1",)


@pytest.mark.parametrize("kinds", [[], [ISTIO], [ISTIO, API]])
def test_a_cluster_without_gateways_is_said_plainly(kinds):
    reading = Gateways(FakeCluster(kinds=kinds), "shop").read(0.0)
    assert reading.problem.startswith("no gateway sends requests to it")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ApiError("Connection refused", None, where="GET /"), "Connection refused"),
        (ApiError('pods "edge-1" is forbidden', 403, where="GET /"), "you aren't allowed to (pods"),
        (StageError("/stats returned status 503"), "/stats returned status 503"),
    ],
)
def test_a_gateway_that_cannot_be_asked_is_reported_and_looked_for_again(envoys, error, words):
    envoys.answers["istio-ingress/edge-1"] = error
    found = Gateways(one_gateway(), "shop")
    assert words in found.read(0.0).problem
    envoys.answers["istio-ingress/edge-1"] = clusters(("10.0.1.1", 1, 0))
    assert found.read(1.0).problem == ""


def test_an_answer_that_is_no_json_is_reported(envoys):
    envoys.answers["istio-ingress/edge-1"] = b"no healthy upstream"
    assert "can't be asked" in Gateways(one_gateway(), "shop").read(0.0).problem


def test_gateways_that_come_and_go_are_noticed_after_some_seconds(envoys):
    envoys.answers |= {f"istio-ingress/edge-{n}": clusters() for n in (1, 2)}
    cluster = one_gateway()
    found = Gateways(cluster, "shop")
    found.read(0.0)
    del cluster.objects[("v1", "Pod", "istio-ingress", "edge-1")]
    cluster.put(pod("edge-2", "istio-ingress", {"istio": "edge"}))
    assert found.read(9.0).gateways == ("istio-ingress/edge-1",)
    assert found.read(10.0).gateways == ("istio-ingress/edge-2",)
    assert envoys.closed == ["istio-ingress/edge-1"]


def test_in_the_end_the_connections_are_closed(envoys):
    envoys.answers["istio-ingress/edge-1"] = clusters()
    found = Gateways(one_gateway(), "shop")
    found.read(0.0)
    found.close()
    assert envoys.closed == ["istio-ingress/edge-1"]
