"""Which revisions stand behind Services, subsets and addresses; and the route objects of a namespace."""

from __future__ import annotations

from typing import Any

import pytest
from support.fake_cluster import FakeCluster

from canarylab.rollouts.routes import route_objects
from canarylab.rollouts.routes.backends import Backends, pods_behind
from canarylab.rollouts.routes.match import Proxy, Request
from canarylab.rollouts.routes.route import Destination, Route

Json = dict[str, Any]

HASH = "rollouts-pod-template-hash"
ISTIO, API = "networking.istio.io/v1", "gateway.networking.k8s.io/v1"
DISCOVERY = ("discovery.k8s.io/v1", "EndpointSlice")
ISTIO_KINDS = [(ISTIO, "VirtualService"), (ISTIO, "DestinationRule"), (ISTIO, "Gateway")]
ASKED = Request("a.example.com", "/color", {}, tls=False, port=80)
CANARY: Json = {"metadata": {"namespace": "default"}, "spec": {"strategy": {"canary": {}}}}


def obj(api_version: str, kind: str, name: str, spec: Json | None = None, **more: Any) -> Json:
    meta = {"name": name, "namespace": "default", "labels": more.pop("labels", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec or {}, **more}


def pod(name: str, revision: str = "", address: str = "", **labels: str) -> Json:
    hashed = {HASH: revision} if revision else {}
    return obj("v1", "Pod", name, labels={**hashed, **labels}, status={"podIP": address} if address else {})


def service(name: str, selector: Json | None = None) -> Json:
    return obj("v1", "Service", name, {"selector": selector} if selector else {})


def slice_of(service: str, name: str, *endpoints: Json) -> Json:
    labels = {"kubernetes.io/service-name": service}
    return obj(*DISCOVERY, name, labels=labels, endpoints=list(endpoints))


def to(pod: str, ready: bool | None = True) -> Json:
    return {"targetRef": {"kind": "Pod", "name": pod}, "conditions": {} if ready is None else {"ready": ready}}


def to_service(name: str, percent: float = 100, subset: str = "") -> Destination:
    return Destination(name, percent, subset, "default")


def backends(*objects: Json) -> Backends:
    return Backends(FakeCluster(*objects, kinds=[DISCOVERY, *ISTIO_KINDS]), "default")  # type: ignore[arg-type]


class TestServices:
    PODS = (pod("a1", "aaa"), pod("a2", "aaa"), pod("b1", "bbb"), pod("other"))

    def test_one_that_argo_selects_a_revision_for_has_that_alone(self):
        assert backends(service("stable", {"app": "demo", HASH: "aaa"})).of(to_service("stable")) == {"aaa": 100}

    def test_any_other_has_those_of_its_endpoints(self):
        slices = slice_of("demo", "demo-1", to("a1"), to("a2"), to("b1"), to("other"))
        found = backends(service("demo", {"app": "demo"}), slices, *self.PODS).of(to_service("demo"))
        assert found == {"aaa": 50, "bbb": 25, "": 25}

    def test_endpoints_that_are_not_ready_get_nothing_and_unknown_ones_do(self):
        slices = slice_of("demo", "demo-1", to("a1"), to("a2", ready=False), to("b1", ready=None))
        assert backends(slices, *self.PODS).of_endpoints("demo") == {"aaa": 50, "bbb": 50}

    def test_a_pod_in_two_slices_counts_once(self):
        slices = [slice_of("demo", "demo-ipv4", to("a1"), to("b1")), slice_of("demo", "demo-ipv6", to("a1"))]
        assert backends(*slices, *self.PODS).of_endpoints("demo") == {"aaa": 50, "bbb": 50}

    def test_slices_of_other_services_are_left_out(self):
        slices = [slice_of("demo", "demo-1", to("a1")), slice_of("other", "other-1", to("b1"))]
        assert backends(*slices, *self.PODS).of_endpoints("demo") == {"aaa": 100}

    def test_one_that_is_not_there_or_empty_has_nobody(self):
        assert backends().of(to_service("nobody")) == {}
        assert backends(slice_of("demo", "demo-1")).of_endpoints("demo") == {}


class TestSubsets:
    RULE = obj(
        *ISTIO_KINDS[1],
        "demo",
        {
            "host": "demo.default.svc.cluster.local",
            "subsets": [{"name": "stable", "labels": {"app": "demo", HASH: "aaa"}}, {"name": "plain"}],
        },
    )

    @pytest.mark.parametrize(
        ("service", "subset", "revision"),
        [("demo", "stable", "aaa"), ("demo", "plain", ""), ("demo", "missing", ""), ("other", "stable", "")],
    )
    def test_it_has_the_revision_of_its_label(self, service: str, subset: str, revision: str):
        assert backends(self.RULE).of(to_service(service, subset=subset)) == {revision: 100}


class TestAddresses:
    def test_a_pod_has_one_once_it_is_scheduled(self):
        pods = (pod("a1", "aaa", "10.0.0.1"), pod("other", address="10.0.0.2"), pod("new", "bbb"))
        assert backends(*pods).by_address == {"10.0.0.1": "aaa", "10.0.0.2": ""}

    def test_behind_a_service_are_the_pods_that_it_selects(self):
        cluster = FakeCluster(pod("a1", app="demo"), pod("other", app="other"))
        found = pods_behind(cluster, service("demo", {"app": "demo"}))  # type: ignore[arg-type]
        assert [one["metadata"]["name"] for one in found] == ["a1"]

    def test_behind_one_without_a_selector_is_nobody(self):
        assert pods_behind(FakeCluster(pod("a1", app="demo")), service("outside")) == []  # type: ignore[arg-type]


class TestRoutes:
    SERVICES = (service("stable", {HASH: "aaa"}), service("canary", {HASH: "bbb"}))

    def test_shares_are_those_of_the_services_behind_it(self):
        route = Route("vs, http route primary", [to_service("stable", 95), to_service("canary", 5)])
        seen = route.seen(backends(*self.SERVICES).of)
        assert (seen.words, seen.shares, seen.mirrored) == ("stable 95, canary 5", {"aaa": 95, "bbb": 5}, {})

    def test_two_services_of_one_revision_are_one(self):
        seen = Route("", [to_service("stable", 95), to_service("again", 5)]).seen(
            backends(*self.SERVICES, service("again", {HASH: "aaa"})).of
        )
        assert seen.shares == {"aaa": 100}

    def test_mirrors_are_shares_of_their_own(self):
        seen = Route("", [to_service("stable", 100)], [to_service("canary", 30)]).seen(backends(*self.SERVICES).of)
        assert (seen.words, seen.mirrored) == ("stable 100, mirrored to canary 30", {"bbb": 30})

    def test_what_gets_nothing_is_not_asked_who_it_is(self):
        seen = Route("", [to_service("stable", 100), to_service("nobody", 0, "canary")]).seen(
            backends(*self.SERVICES).of
        )
        assert (seen.words, seen.shares) == ("stable 100, nobody/canary 0", {"aaa": 100})

    def test_a_subset_has_its_labels_revision(self):
        seen = Route("", [to_service("demo", 100, "stable")]).seen(backends(TestSubsets.RULE).of)
        assert (seen.words, seen.shares) == ("demo/stable 100", {"aaa": 100})

    def test_one_without_a_destination_says_so(self):
        assert Route("", []).seen(backends().of).words == "no destination"


class TestResolving:
    """Whichever kinds of route objects the cluster knows."""

    GATEWAY = obj(ISTIO, "Gateway", "demo", {"servers": [{"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["*"]}]})
    VIRTUAL_SERVICE = obj(
        ISTIO,
        "VirtualService",
        "vs",
        {
            "gateways": ["demo"],
            "hosts": ["a.example.com"],
            "http": [{"name": "primary", "route": [{"destination": {"host": "stable"}}]}],
        },
    )
    HTTP_ROUTE = obj(
        API,
        "HTTPRoute",
        "route",
        {"hostnames": ["a.example.com"], "rules": [{"name": "all", "backendRefs": [{"name": "canary"}]}]},
    )

    def routed(self, *objects: Json, kinds: list[tuple[str, str]]) -> Any:
        cluster = FakeCluster(*TestRoutes.SERVICES, *objects, kinds=[DISCOVERY, *kinds])
        proxy = Proxy("istio-ingress", {"istio": "ingress"})
        return route_objects.routed(cluster, CANARY, ASKED, Backends(cluster, "default"), proxy)  # type: ignore[arg-type]

    def test_a_virtual_service_is_found(self):
        seen = self.routed(self.GATEWAY, self.VIRTUAL_SERVICE, kinds=ISTIO_KINDS)
        assert (seen.where, seen.shares) == ("vs, http route primary", {"aaa": 100})

    def test_an_http_route_is_found_in_a_cluster_without_istios_kinds(self):
        seen = self.routed(self.HTTP_ROUTE, kinds=[(API, "HTTPRoute")])
        assert (seen.where, seen.shares) == ("route, rule all", {"bbb": 100})

    def test_an_http_route_is_found_where_no_virtual_service_is_for_the_host(self):
        assert self.routed(self.HTTP_ROUTE, kinds=[(API, "HTTPRoute"), *ISTIO_KINDS]).where == "route, rule all"

    @pytest.mark.parametrize("kinds", [[], ISTIO_KINDS, [(API, "HTTPRoute")]])
    def test_without_any_there_is_no_route(self, kinds: list[tuple[str, str]]):
        seen = self.routed(kinds=kinds)
        assert (seen.where, seen.words, seen.shares) == ("namespace default", "no route for a.example.com", {})
        assert "no Gateway opens that port" in seen.cause

    def test_only_kinds_that_are_known_are_watched(self):
        cluster = FakeCluster(kinds=[DISCOVERY, (ISTIO, "VirtualService")])
        watched = route_objects.all_watches(cluster, "default")  # type: ignore[arg-type]
        found = [(watch.kind, watch.namespace) for watch in watched]
        assert found == [("VirtualService", None), ("Service", "default"), ("EndpointSlice", "default")]
