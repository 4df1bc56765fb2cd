"""Istio's VirtualServices: which route a request takes at a gateway, and why the controller may leave it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from canarylab.rollouts.routes.gateways import Routing
from canarylab.rollouts.routes.match import Proxy, Request
from canarylab.rollouts.routes.route import Route
from canarylab.rollouts.routes.virtual_services import left_alone

Json = dict[str, Any]

HOST, PATH = "a.example.com", "/color"
BLUE_GREEN: Json = {"spec": {"strategy": {"blueGreen": {"activeService": "active"}}}}


def request(host: str = HOST, *, path: str = PATH, tls: bool = False, port: int = 80, **headers: str) -> Request:
    return Request(host, path, {name.replace("_", "-"): value for name, value in headers.items()}, tls, port)


def to(host: str, weight: int | None = None, subset: str = "") -> Json:
    destination = {"host": host, **({"subset": subset} if subset else {})}
    return {"destination": destination, **({} if weight is None else {"weight": weight})}


def http(name: str = "", *matches: Json, to: Json | None = None, **more: Any) -> Json:
    """An http route to the Service of its own name."""
    found = {"route": [to or {"destination": {"host": name or "unnamed"}}], **more}
    return {**({"name": name} if name else {}), **({"match": list(matches)} if matches else {}), **found}


def tls(*snis: str, port: int | None = 3000) -> Json:
    match: Json = {"sniHosts": list(snis), **({} if port is None else {"port": port})}
    return {"match": [match], "route": [to("stable", 100)]}


def virtual_service(*http: Json, name: str = "vs", hosts: tuple[str, ...] = ("*.example.com",), **spec: Any) -> Json:
    return {"metadata": {"name": name}, "spec": {"gateways": ["demo"], "hosts": list(hosts), "http": [*http], **spec}}


def rollout(name: str = "vs", **listed: Any) -> Json:
    """A Rollout that lists one VirtualService, with these routes."""
    routing = {"istio": {"virtualService": {"name": name, **listed}}}
    return {"spec": {"strategy": {"canary": {"trafficRouting": routing}}}}


def gateway(*servers: Json, name: str = "demo", **spec: Any) -> Json:
    """By default one that opens port 80 for requests, and some others for TLS that it passes through."""
    passed = [
        {"port": {"number": port, "protocol": "TLS"}, "hosts": ["*"], "tls": {"mode": "PASSTHROUGH"}}
        for port in (443, 3000, 3001)
    ]
    opened = servers or ({"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["*"]}, *passed)
    return {"metadata": {"name": name}, "spec": {"servers": [*opened], **spec}}


def route(services: Sequence[Json], by: Json, asked: Request) -> Route | None:
    """The route at a gateway, with why the controller of a Rollout leaves it alone."""
    namespaces = {one["metadata"].get("namespace") for one in services}
    opened = [{**gateway(), "metadata": {"name": "demo", "namespace": each}} for each in namespaces]
    found = Routing(opened, services, Proxy("istio-ingress", {})).route(asked)
    if found is None or found.answer:
        return found
    [service] = [one for one in services if one["metadata"]["name"] == found.ref.name]
    return replace(found, cause=left_alone(found, service, by))


def taken(service: Json, *others: Json, by: Request | None = None) -> Route | None:
    return route([service, *others], rollout(), by or request())


def where(*services: Json, by: Request | None = None) -> str | None:
    found = route(services, rollout(), by or request())
    return found.where if found else None


class TestWeights:
    def weights(self, *routes: Json) -> list[str]:
        found = taken(virtual_service({"route": list(routes)}))
        assert found
        return [str(destination) for destination in found.destinations]

    def test_they_are_shown_as_they_are(self):
        assert self.weights(to("stable", 95), to("canary", 5)) == ["stable 95", "canary 5"]

    def test_a_destination_alone_takes_all_of_it_whatever_it_says(self):
        assert self.weights(to("stable")) == ["stable 100"]
        assert self.weights(to("stable", 5)) == ["stable 100"]

    def test_one_of_several_without_a_weight_takes_nothing(self):
        assert self.weights(to("stable", 100), to("canary")) == ["stable 100", "canary 0"]

    def test_they_are_parts_of_their_sum(self):
        """As with Argo's maxTrafficWeight."""
        assert self.weights(to("stable", 990), to("canary", 10)) == ["stable 99", "canary 1"]

    def test_a_service_goes_by_its_short_name(self):
        assert self.weights(to("stable.default.svc.cluster.local")) == ["stable 100"]

    def test_subsets_are_told_apart(self):
        routes = (to("demo", 95, "stable"), to("demo", 5, "canary"))
        assert self.weights(*routes) == ["demo/stable 95", "demo/canary 5"]

    def test_a_route_without_a_destination_leads_nowhere(self):
        assert self.weights() == []


class TestMirrors:
    def mirrors(self, **more: Any) -> list[str]:
        found = taken(virtual_service(http("primary", **more)))
        assert found
        return [str(mirror) for mirror in found.mirrors]

    def test_without_one_nobody_gets_copies(self):
        assert self.mirrors() == []

    def test_one_without_a_percentage_gets_all(self):
        assert self.mirrors(mirror={"host": "canary"}) == ["canary 100"]

    def test_a_percentage_is_a_value_of_its_own(self):
        assert self.mirrors(mirror={"host": "canary"}, mirrorPercentage={"value": 2.5}) == ["canary 2.5"]

    def test_several_are_a_list(self):
        one = {"destination": {"host": "demo", "subset": "canary"}, "percentage": {"value": 35}}
        assert self.mirrors(mirrors=[one, {"destination": {"host": "other"}}]) == ["demo/canary 35", "other 100"]


class TestHosts:
    def test_a_host_that_is_not_listed_has_no_route(self):
        assert where(virtual_service(http("primary")), by=request("a.example.org")) is None

    def test_the_most_specific_host_wins_whatever_the_order(self):
        services = [
            virtual_service(http("primary"), name=name, hosts=(host,))
            for name, host in (("any", "*"), ("wide", "*.example.com"), ("exact", HOST))
        ]
        assert where(*services) == where(*reversed(services)) == "exact, http route primary"

    def test_istio_does_not_fall_back_on_a_wildcard(self):
        exact = virtual_service(http("testers", {"headers": {"x-tester": {}}}), name="exact", hosts=(HOST,))
        assert where(exact, virtual_service(http("primary"), name="wide")) is None

    def test_two_that_name_the_same_host_are_taken_together(self):
        testers = virtual_service(http("testers", {"headers": {"x-tester": {}}}), name="first")
        assert where(testers, virtual_service(http("primary"), name="second")) == "second, http route primary"

    def test_one_for_sidecars_alone_is_not_for_a_gateway(self):
        assert where(virtual_service(http("primary"), gateways=["mesh"])) is None
        assert where(virtual_service(http("primary"), gateways=[])) is None
        assert where(virtual_service(http("primary"), gateways=["mesh", "demo"])) == "vs, http route primary"

    def test_one_without_http_routes_is_not_in_the_way(self):
        passed_through = virtual_service(name="tls", hosts=(HOST,), tls=[tls(HOST)])
        assert where(passed_through, virtual_service(http("primary"))) == "vs, http route primary"


class TestSeveralRoutes:
    SERVICE = virtual_service(
        http("testers", {"headers": {"X-Tester": {"exact": "yes"}}}),
        http("api", {"uri": {"prefix": "/api"}}, {"uri": {"exact": "/v2"}}),
        http("primary"),
    )

    def test_the_first_that_matches_is_taken(self):
        assert where(self.SERVICE) == "vs, http route primary"
        assert where(self.SERVICE, by=request(x_tester="yes")) == "vs, http route testers"
        assert where(self.SERVICE, by=request(x_tester="yes", path="/api")) == "vs, http route testers"

    def test_any_of_its_matches_is_enough(self):
        assert where(self.SERVICE, by=request(path="/api/v1")) == "vs, http route api"
        assert where(self.SERVICE, by=request(path="/v2")) == "vs, http route api"
        assert where(self.SERVICE, by=request(path="/v2/more")) == "vs, http route primary"

    def test_one_without_a_name_goes_by_its_place(self):
        service = virtual_service(http("api", {"uri": {"prefix": "/api"}}), http())
        assert where(service) == "vs, http route number 2"

    @pytest.mark.parametrize(
        ("wanted", "value", "matches"),
        [
            ({"exact": "yes"}, "yes", True),
            ({"exact": "yes"}, "yes, please", False),
            ({"prefix": "ye"}, "yes", True),
            ({"prefix": "es"}, "yes", False),
            ({"regex": "y.s"}, "yes", True),
            ({"regex": "y"}, "yes", False),
            ({"regex": r"\pL+"}, "yes", False),  # RE2 knows it, Python doesn't
            ({"suffix": "s"}, "yes", True),
            ({}, "whatever", True),
            ({"never-heard-of": "yes"}, "yes", False),
        ],
    )
    def test_a_header_is_matched_by_its_kind(self, wanted: Json, value: str, matches: bool):
        service = virtual_service(http("testers", {"headers": {"X-Tester": wanted}}))
        assert (where(service, by=request(x_tester=value)) is not None) is matches

    def test_a_header_that_is_missing_matches_nothing(self):
        assert where(virtual_service(http("testers", {"headers": {"x-tester": {}}}))) is None
        assert where(virtual_service(http("testers", {"headers": {"x-tester": {"regex": ".*"}}}))) is None

    def test_all_conditions_of_a_match_have_to_hold(self):
        both = {"headers": {"x-tester": {}}, "uri": {"prefix": "/api"}}
        service = virtual_service(http("both", both))
        assert where(service, by=request(x_tester="yes")) is None
        assert where(service, by=request(x_tester="yes", path="/api")) is not None

    def test_headers_may_be_what_keeps_others_out(self):
        service = virtual_service(http("others", {"withoutHeaders": {"x-tester": {}}}))
        assert where(service) is not None
        assert where(service, by=request(x_tester="yes")) is None

    @pytest.mark.parametrize(
        ("match", "matches"),
        [
            ({"name": "for the eye", "port": 80}, True),
            ({"port": 8080}, False),
            ({"method": {"exact": "GET"}}, True),
            ({"method": {"exact": "POST"}}, False),
            ({"queryParams": {"a": {"exact": "b"}}}, False),
            ({"sourceLabels": {"app": "other"}}, False),
        ],
    )
    def test_what_is_not_known_of_the_request_does_not_match(self, match: Json, matches: bool):
        assert (where(virtual_service(http("primary", match))) is not None) is matches


class TestTls:
    def by(self, sni: str = "reviews.example.com", port: int = 3000) -> Request:
        return request(sni, tls=True, port=port)

    def test_the_route_is_found_by_sni_and_port(self):
        service = virtual_service(tls=[tls("other.example.com"), tls("reviews.example.com", "more.example.com")])
        assert where(service, by=self.by()) == "vs, tls route reviews.example.com, more.example.com"
        assert where(service, by=self.by(port=3001)) is None
        assert where(service, by=self.by("nobody.example.com")) is None

    def test_without_a_port_it_is_for_every_port(self):
        assert where(virtual_service(tls=[tls("reviews.example.com", port=None)]), by=self.by(port=443)) is not None

    def test_an_sni_host_may_be_a_wildcard(self):
        assert where(virtual_service(tls=[tls("*.example.com")]), by=self.by()) == "vs, tls route *.example.com"

    def test_the_most_specific_sni_wins_whatever_the_hosts(self):
        wide = virtual_service(name="wide", hosts=("reviews.example.com",), tls=[tls("*.example.com")])
        exact = virtual_service(name="exact", hosts=("*.example.com",), tls=[tls("reviews.example.com")])
        assert where(wide, exact, by=self.by()) == "exact, tls route reviews.example.com"

    def test_http_routes_are_not_for_connections(self):
        assert where(virtual_service(http("primary")), by=self.by()) is None


class TestLeftAlone:
    """Why Argo Rollouts doesn't touch a route, and goes on without it."""

    def cause(self, service: Json, by: Json, sent: Request | None = None) -> str:
        found = route([service], by, sent or request())
        assert found
        return found.cause

    def of_tls(self, sni: str = "a.example.com", port: int = 3000) -> Request:
        return request(sni, tls=True, port=port)

    def test_a_route_that_is_listed_by_name_is_not(self):
        assert self.cause(virtual_service(http("primary")), rollout(routes=["primary"])) == ""

    def test_a_name_that_is_not_listed_is(self):
        cause = self.cause(virtual_service(http("primary")), rollout(routes=["first"]))
        assert "the VirtualService's is primary, the Rollout lists first" in cause
        assert "#4741" in cause

    def test_without_a_list_the_only_route_is_weighted(self):
        assert self.cause(virtual_service(http("primary")), rollout()) == ""

    def test_without_a_list_of_several_only_the_first_unnamed_one_is(self):
        api = {"uri": {"prefix": "/api"}}
        assert "#3884" in self.cause(virtual_service(http("primary"), http("secondary")), rollout())
        assert self.cause(virtual_service(http("api", api), http()), rollout()) == ""
        assert "lists none" in self.cause(virtual_service(http("", api), http()), rollout())

    def test_a_route_that_the_controller_makes_itself_is_not(self):
        testers = http("testers", {"headers": {"x-tester": {}}})
        by = rollout(routes=["primary"])
        by["spec"]["strategy"]["canary"]["trafficRouting"]["managedRoutes"] = [{"name": "testers"}]
        assert self.cause(virtual_service(testers, http("primary")), by, request(x_tester="yes")) == ""

    def test_a_virtual_service_that_the_rollout_does_not_list_is(self):
        assert "doesn't list vs" in self.cause(virtual_service(http("primary")), rollout("other", routes=["primary"]))

    def test_one_that_is_listed_with_its_namespace_is_not(self):
        """As Argo reads it: the name, then the namespace."""
        service = virtual_service(http("primary"))
        service["metadata"]["namespace"] = "default"
        assert self.cause(service, rollout("vs.default")) == ""
        assert self.cause(service, rollout("vs.other")).startswith("the Rollout doesn't list vs")

    def test_one_of_several_that_are_listed_is_not(self):
        by = rollout()
        by["spec"]["strategy"]["canary"]["trafficRouting"]["istio"] = {
            "virtualServices": [{"name": "a"}, {"name": "vs"}]
        }
        assert self.cause(virtual_service(http("primary")), by) == ""

    def test_with_blue_green_services_are_switched_and_nothing_has_to_be_listed(self):
        assert self.cause(virtual_service(http("primary")), BLUE_GREEN) == ""

    @pytest.mark.parametrize(
        ("listed", "is_weighted"),
        [
            ({"port": 3000, "sniHosts": ["a.example.com"]}, True),
            ({"port": 443, "sniHosts": ["a.example.com"]}, False),
            ({"port": 3000, "sniHosts": ["b.example.com"]}, False),
            ({"port": 3000, "sniHosts": ["a.example.com", "b.example.com"]}, False),
            ({"port": 3000}, False),
            ({"sniHosts": ["a.example.com"]}, False),
        ],
    )
    def test_a_tls_route_is_weighted_by_exactly_its_port_and_its_sni_hosts(self, listed: Json, is_weighted: bool):
        cause = self.cause(virtual_service(tls=[tls("a.example.com")]), rollout(tlsRoutes=[listed]), self.of_tls())
        assert (cause == "") is is_weighted
        assert is_weighted or "name another port or other sniHosts" in cause

    def test_without_a_list_only_the_first_tls_route_is_weighted(self):
        service = virtual_service(tls=[tls("a.example.com"), tls("b.example.com")])
        assert self.cause(service, rollout(), self.of_tls()) == ""
        assert "only the first" in self.cause(service, rollout(), self.of_tls("b.example.com"))

    def test_a_tls_route_of_a_virtual_service_that_is_not_listed_is_left_alone(self):
        service = virtual_service(tls=[tls("a.example.com")])
        assert "doesn't list vs" in self.cause(service, rollout("other"), self.of_tls())


class TestFaults:
    def words(self, fault: Json) -> str:
        return str(taken(virtual_service(http("primary", fault=fault))))

    def test_what_a_route_aborts_on_purpose_is_said(self):
        assert self.words({"abort": {"httpStatus": 503, "percentage": {"value": 50}}}) == (
            "primary 100, 50 % of it aborted by the route's fault"
        )

    def test_what_istiod_does_not_know_aborts_nothing(self):
        assert self.words({"abort": {"http2Error": "x", "percentage": {"value": 50}}}) == "primary 100"

    def test_a_delay_changes_nothing(self):
        assert self.words({"delay": {"fixedDelay": "1s", "percentage": {"value": 50}}}) == "primary 100"


CLAIM: Json = {"@request.auth.claims.group": {"exact": "testers"}}


class TestClaims:
    """What a route asks of a token: the demonstration's requests have none."""

    def test_a_claim_that_is_asked_for_is_not_met(self):
        assert where(virtual_service(http("testers", {"headers": CLAIM}))) is None

    def test_a_claim_that_keeps_out_keeps_nobody_out(self):
        assert where(virtual_service(http("others", {"withoutHeaders": CLAIM}))) == "vs, http route others"


class TestOlderMirrorPercent:
    def mirrors(self, **more: Any) -> list[str]:
        found = taken(virtual_service(http("primary", mirror={"host": "copied"}, **more)))
        assert found
        return [f"{mirror.service} {mirror.percent:g}" for mirror in found.mirrors]

    def test_it_counts_where_there_is_no_percentage(self):
        assert self.mirrors(mirrorPercent=30) == ["copied 30"]
        assert self.mirrors(mirrorPercent=30, mirrorPercentage={"value": 5}) == ["copied 5"]

    def test_a_percentage_without_a_value_is_none(self):
        assert self.mirrors(mirrorPercentage={}) == ["copied 0"]
