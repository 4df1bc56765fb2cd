"""What Envoy's admin interface says, in answers as a real gateway gave them."""

from __future__ import annotations

from typing import Any

import pytest
from envoy_samples import (
    CLUSTERS,
    LISTENERS,
    ROUTES,
    cluster,
    clusters,
    endpoint,
    http_route,
    listeners,
    mirrored,
    routes,
    weighted,
    with_header,
)

from canarylab.rollouts.routes.envoy import Endpoint, endpoints, route
from canarylab.rollouts.routes.match import Request
from canarylab.rollouts.routes.route import Route

Json = dict[str, Any]

HOST = "any.rollouts-demo-vsvc1.bookinfo.com"
STABLE, CANARY = cluster("stable"), cluster("canary")


def request(host: str = HOST, path: str = "/color", *, tls: bool = False, **headers: str) -> Request:
    return Request(host, path, {name.replace("_", "-"): value for name, value in headers.items()}, tls, 80)


def taken_of(dump: Json, asked: Request) -> Route | None:
    """The route of a plain request, at the recorded gateway's port 80."""
    return route(LISTENERS, dump, asked, 80)


def tls_route(dump: Json, asked: Request) -> Route | None:
    return route(dump, {}, asked, 3000)


def to(name: str) -> Json:
    return weighted({cluster(name): 100})


def taken(*found: Json, by: Request | None = None) -> str | None:
    """Where a request goes, of these routes of its host."""
    chosen = taken_of(routes({HOST: list(found)}), by or request())
    return str(chosen) if chosen else None


def destinations(dump: Json, by: Request) -> dict[str, float]:
    """Percent by Envoy's own names, of a route that copies nothing."""
    chosen = taken_of(dump, by)
    assert chosen
    assert not chosen.mirrors
    return {to.cluster: to.percent for to in chosen.destinations}


class TestRecorded:
    """As a real gateway answered."""

    def test_the_http_route_at_rest_leads_to_stable_alone(self):
        stable = "outbound|15372||rollouts-demo-stable.default.svc.cluster.local"
        assert destinations(ROUTES, request()) == {stable: 100.0}
        assert destinations(ROUTES, request("x.rollouts-demo-vsvc2.bookinfo.com")) == {
            stable.replace("15372", "15373"): 100.0
        }

    def test_the_tls_route_leads_to_stable_alone(self):
        found = tls_route(LISTENERS, request("reviews.rollouts-demo-vsvc1.bookinfo.com", tls=True))
        assert str(found) == "rollouts-demo-stable 100"

    def test_another_host_has_no_route(self):
        assert taken_of(ROUTES, request("rollouts-demo-vsvc1.bookinfo.com")) is None
        assert tls_route(LISTENERS, request(tls=True)) is None

    def test_endpoints_are_counted_by_cluster(self):
        found = endpoints(CLUSTERS)
        stable = "outbound|15372||rollouts-demo-stable.default.svc.cluster.local"
        assert found[stable] == [Endpoint("10.210.64.5", healthy=True, requests=200, errors=0, connections=16)]

    def test_a_counter_at_0_has_no_value(self):
        (canary,) = endpoints(CLUSTERS)["outbound|15372||rollouts-demo-canary.default.svc.cluster.local"]
        assert (canary.requests, canary.connections) == (0, 0)

    def test_a_cluster_without_endpoints_has_none_and_a_pipe_no_address(self):
        assert "BlackHoleCluster" not in endpoints(CLUSTERS)
        assert endpoints(CLUSTERS)["xds-grpc"][0].address == ""

    @pytest.mark.parametrize("nothing", [{}, {"configs": []}, {"configs": [{"active_state": None}]}])
    def test_an_envoy_that_was_given_nothing_yet_has_no_route(self, nothing: Json):
        assert taken_of(nothing, request()) is None
        assert tls_route(nothing, request(tls=True)) is None
        assert endpoints(nothing) == {}


class TestNames:
    @pytest.mark.parametrize(
        ("name", "short"),
        [
            ("outbound|80||stable.default.svc.cluster.local", "stable"),
            ("outbound|80|canary|demo.default.svc.cluster.local", "demo/canary"),
            ("BlackHoleCluster", "BlackHoleCluster"),
            ("outbound|80", "outbound|80"),
            ("other|80||stable.default", "other|80||stable.default"),
        ],
    )
    def test_a_cluster_goes_by_its_service_and_subset(self, name: str, short: str):
        assert taken(http_route({"cluster": name})) == f"{short} 100"


class TestWeights:
    def test_they_are_percent_of_their_sum(self):
        assert taken(http_route(weighted({STABLE: 95, CANARY: 5}))) == "stable 95, canary 5"
        assert taken(http_route(weighted({STABLE: 1, CANARY: 3}))) == "stable 25, canary 75"

    def test_a_cluster_alone_takes_everything(self):
        assert taken(http_route({"cluster": STABLE})) == "stable 100"

    def test_one_that_is_named_twice_takes_both(self):
        action = {"weighted_clusters": {"clusters": [{"name": STABLE, "weight": 50}] * 2}}
        assert taken(http_route(action)) == "stable 100"

    @pytest.mark.parametrize(
        ("policy", "shares"),
        [
            (mirrored(CANARY, 100), "canary 100"),
            (mirrored(CANARY, 35), "canary 35"),
            ({"cluster": CANARY}, "canary 100"),
            ({"cluster": CANARY, "runtime_fraction": {"default_value": {"numerator": 5}}}, "canary 5"),
            ({"cluster": CANARY, "runtime_fraction": {"default_value": {}}}, "canary 0"),
        ],
    )
    def test_mirrors_have_a_fraction(self, policy: Json, shares: str):
        action = {**to("stable"), "request_mirror_policies": [policy]}
        assert taken(http_route(action)) == f"stable 100, mirrored to {shares}"


class TestMatches:
    @pytest.mark.parametrize("order", [1, -1])
    def test_the_most_specific_domain_is_looked_at_alone(self, order: int):
        hosts = {
            "*": [http_route(to("any"))],
            "*.bookinfo.com": [http_route(to("wide"))],
            HOST: [http_route(to("exact"), path="/other")],
        }
        dump = routes(dict([*hosts.items()][::order]))
        assert destinations(dump, request("x.bookinfo.com")) == {cluster("wide"): 100.0}
        assert destinations(dump, request("example.com")) == {cluster("any"): 100.0}
        assert taken_of(dump, request()) is None

    def test_a_domain_may_have_a_port(self):
        assert str(taken_of(routes({f"{HOST}:80": [http_route(to("stable"))]}), request())) == "stable 100"

    def test_the_first_route_that_matches_is_taken(self):
        testers = http_route(to("canary"), headers=[with_header("x-tester", "yes")])
        assert taken(testers, http_route(to("stable"))) == "stable 100"
        assert taken(testers, http_route(to("stable")), by=request(x_tester="yes")) == "canary 100"

    def test_one_that_redirects_is_said_to_though_another_follows(self):
        redirect = {"match": {"prefix": "/"}, "redirect": {"https_redirect": True}}
        assert taken(redirect, http_route(to("stable"))) == "a redirect"
        assert taken({"match": {"prefix": "/"}, "direct_response": {"status": 404}}) == "an answer of its own"

    def test_a_host_that_wants_tls_sends_plain_requests_there(self):
        dump = routes({HOST: [http_route(to("stable"))]})
        dump["configs"][0]["route_config"]["virtual_hosts"][0]["require_tls"] = "ALL"
        assert str(taken_of(dump, request())) == "a redirect to HTTPS"

    @pytest.mark.parametrize(
        ("match", "path", "matches"),
        [
            ({"prefix": "/co"}, "/color", True),
            ({"prefix": "/api"}, "/color", False),
            ({"path": "/color", "case_sensitive": True}, "/color", True),
            ({"path": "/color"}, "/color/blue", False),
            ({"path_separated_prefix": "/color"}, "/color/blue", True),
            ({"path_separated_prefix": "/color"}, "/colors", False),
            ({"safe_regex": {"regex": "/c.*"}}, "/color", True),
            ({"safe_regex": {"regex": "/c"}}, "/color", False),
            ({"prefix": "/COL", "case_sensitive": False}, "/color", True),
            ({"prefix": "/COL", "case_sensitive": True}, "/color", False),
            ({"safe_regex": {"regex": "/COLOR"}, "case_sensitive": False}, "/color", False),
            ({"prefix": "/", "grpc": {}}, "/color", False),
            ({"prefix": "/", "runtime_fraction": {}}, "/color", False),
        ],
    )
    def test_a_path_is_matched_by_its_kind_and_what_is_not_known_does_not_match(
        self, match: Json, path: str, matches: bool
    ):
        found = taken({"match": match, "route": to("stable")}, by=request(path=path))
        assert (found == "stable 100") is matches

    @pytest.mark.parametrize(
        ("wanted", "with_it", "with_another", "without"),
        [
            ({"string_match": {"exact": "yes"}}, True, False, False),
            ({"string_match": {"prefix": "ye"}}, True, False, False),
            ({"string_match": {"suffix": "es"}}, True, False, False),
            ({"string_match": {"contains": "e"}}, True, False, False),
            ({"string_match": {"safe_regex": {"regex": "y.s"}}}, True, False, False),
            ({"string_match": {"exact": "YES", "ignore_case": True}}, False, False, False),
            ({"string_match": {"exact": "yes"}, "invert_match": True}, False, True, False),
            (
                {"string_match": {"exact": "yes"}, "invert_match": True, "treat_missing_header_as_empty": True},
                False,
                True,
                True,
            ),
            ({"present_match": True}, True, True, False),
            ({"present_match": False}, False, False, True),
            ({"present_match": True, "invert_match": True}, False, False, True),
            ({}, True, True, False),
            ({"range_match": {"start": "1", "end": "9"}}, False, False, False),
        ],
    )
    def test_a_header_is_matched_by_its_kind(self, wanted: Json, with_it: bool, with_another: bool, without: bool):
        written = http_route(to("canary"), headers=[{"name": "X-Tester", **wanted}])
        found = [taken(written, by=by) for by in (request(x_tester="yes"), request(x_tester="no"), request())]
        assert [one is not None for one in found] == [with_it, with_another, without]

    def test_host_path_and_method_are_headers_too(self):
        pseudo = [with_header(":authority", HOST), with_header(":path", "/color"), with_header(":method", "GET")]
        assert taken(http_route(to("stable"), headers=pseudo)) == "stable 100"
        assert taken(http_route(to("stable"), headers=[with_header(":method", "POST")])) is None


class TestTls:
    def test_the_most_specific_server_name_wins(self):
        dump = listeners({"*.example.com": to("wide"), "a.example.com": to("exact")})
        assert str(tls_route(dump, request("a.example.com", tls=True))) == "exact 100"
        assert str(tls_route(dump, request("b.example.com", tls=True))) == "wide 100"

    def test_one_whose_tls_ends_at_the_gateway_passes_nothing_through(self):
        dump = listeners({"a.example.com": to("stable")})
        manager = {"name": "envoy.filters.network.http_connection_manager"}
        _chain(dump)["filters"] = [{**manager, "typed_config": {"rds": {"route_config_name": "http.80"}}}]
        found = routes({"a.example.com": [http_route(to("stable"))]})
        asked = request("a.example.com", tls=True)
        assert route(dump, found, asked, 3000) is None, "the chain speaks plain HTTP"
        _chain(dump)["transport_socket"] = {"name": "envoy.transport_sockets.tls"}
        assert str(route(dump, found, asked, 3000)) == "stable 100"
        assert route(dump, found, request("a.example.com"), 3000) is None

    def test_a_chain_without_a_server_name_is_for_every_name_that_no_other_has(self):
        dump = listeners({"a.example.com": to("any"), "b.example.com": to("exact")})
        del _chain(dump)["filter_chain_match"]
        assert str(tls_route(dump, request("a.example.com", tls=True))) == "any 100"
        assert str(tls_route(dump, request("b.example.com", tls=True))) == "exact 100"

    def test_a_plain_connection_names_no_server(self):
        assert tls_route(listeners({"a.example.com": to("stable")}), request("a.example.com")) is None


def _chain(dump: Json) -> Json:
    """The first that passes bytes on."""
    chain: Json = dump["configs"][-1]["active_state"]["listener"]["filter_chains"][0]
    return chain


class TestEndpoints:
    def test_one_that_is_unhealthy_or_thrown_out_is_reported(self):
        thrown_out = {**endpoint("10.0.0.3"), "health_status": {"failed_outlier_check": True}}
        found = endpoints(clusters({"c": [endpoint("10.0.0.1"), endpoint("10.0.0.2", healthy=False), thrown_out]}))
        assert [each.healthy for each in found["c"]] == [True, False, False]
