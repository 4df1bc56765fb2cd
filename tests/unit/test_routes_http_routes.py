"""HTTPRoutes of the Gateway API: the rule that a request falls under is the most specific, whatever the order."""

from __future__ import annotations

from typing import Any

import pytest

from canarylab.rollouts.routes.http_routes import route
from canarylab.rollouts.routes.match import Request

Json = dict[str, Any]

STABLE_95 = [{"name": "stable", "port": 80, "weight": 95}, {"name": "canary", "port": 80, "weight": 5}]


def request(path: str = "/color", *, host: str = "a.example.com", tls: bool = False, **headers: str) -> Request:
    return Request(host, path, {name.replace("_", "-"): value for name, value in headers.items()}, tls, 80)


def prefix(value: str, **more: Any) -> Json:
    return {"path": {"type": "PathPrefix", "value": value}, **more}


def exact(value: str, **more: Any) -> Json:
    return {"path": {"type": "Exact", "value": value}, **more}


def regex(value: str) -> Json:
    return {"path": {"type": "RegularExpression", "value": value}}


def header(value: str = "yes", name: str = "X-Tester", **more: Any) -> Json:
    return {"name": name, "value": value, **more}


def rule(name: str = "", *matches: Json, backends: list[Json] | None = None, **more: Any) -> Json:
    found: Json = {"backendRefs": backends or [{"name": "stable"}], **more}
    return {**found, **({"name": name} if name else {}), **({"matches": list(matches)} if matches else {})}


def http_route(*rules: Json, name: str = "demo", hosts: tuple[str, ...] = ("a.example.com",), made: str = "") -> Json:
    meta = {"name": name, **({"creationTimestamp": made} if made else {})}
    return {"metadata": meta, "spec": {"hostnames": list(hosts), "rules": list(rules)}}


def where(*routes: Json, by: Request | None = None) -> str | None:
    found = route(routes, by or request())
    return found.where if found else None


def taken(*rules: Json, by: Request | None = None) -> str | None:
    """The name of the rule, which has to be the same in any order."""
    there, back = where(http_route(*rules), by=by), where(http_route(*reversed(rules)), by=by)
    assert there == back
    return there.removeprefix("demo, rule ") if there else None


class TestWeights:
    def weights(self, *backends: Json) -> list[str]:
        found = route([http_route(rule(backends=list(backends)))], request())
        assert found
        return [str(destination) for destination in found.destinations]

    def test_they_are_shown_as_they_are(self):
        assert self.weights(*STABLE_95) == ["stable 95", "canary 5"]

    def test_they_are_parts_of_their_sum(self):
        assert self.weights({"name": "stable", "weight": 3}, {"name": "canary", "weight": 1}) == [
            "stable 75",
            "canary 25",
        ]

    def test_without_a_weight_each_counts_once(self):
        assert self.weights({"name": "stable"}) == ["stable 100"]
        assert self.weights({"name": "stable"}, {"name": "canary"}) == ["stable 50", "canary 50"]

    def test_nothing_may_get_anything(self):
        assert self.weights({"name": "stable", "weight": 0}) == ["stable 0"]


class TestMirrors:
    def mirrors(self, *filters: Json) -> list[str]:
        found = route([http_route(rule(filters=list(filters)))], request())
        assert found
        return [str(mirror) for mirror in found.mirrors]

    @pytest.mark.parametrize(
        ("share", "shown"),
        [
            ({}, "canary 100"),
            ({"percent": 42}, "canary 42"),
            ({"fraction": {"numerator": 5}}, "canary 5"),
            ({"fraction": {"numerator": 5, "denominator": 1000}}, "canary 0.5"),
        ],
    )
    def test_one_gets_as_many_as_it_says_or_all(self, share: Json, shown: str):
        assert self.mirrors(
            {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "canary"}, **share}}
        ) == [shown]

    def test_other_filters_copy_nothing(self):
        assert self.mirrors({"type": "RequestHeaderModifier", "requestHeaderModifier": {}}) == []


class TestHosts:
    def test_one_for_another_host_is_not_for_it(self):
        assert where(http_route(rule(), hosts=("b.example.com",))) is None

    def test_one_without_hosts_is_for_all(self):
        assert where(http_route(rule(), hosts=())) == "demo, rule number 1"

    def test_the_most_specific_host_comes_before_the_most_specific_path(self):
        wide = http_route(rule("wide", exact("/color")), hosts=("*.example.com",))
        narrow = http_route(rule("narrow"))
        assert where(wide, narrow) == where(narrow, wide) == "demo, rule narrow"

    def test_a_less_specific_host_is_asked_where_no_rule_of_the_other_matches(self):
        wide = http_route(rule("wide"), hosts=("*.example.com",))
        narrow = http_route(rule("narrow", prefix("/api")))
        assert where(wide, narrow) == "demo, rule wide"

    def test_among_equals_the_oldest_comes_first(self):
        old = http_route(rule("old"), made="2026-01-01T00:00:00Z")
        new = http_route(rule("new"), made="2026-02-01T00:00:00Z")
        assert where(old, new) == where(new, old) == "demo, rule old"

    def test_they_are_for_requests_whose_tls_ends_at_the_gateway_too(self):
        assert where(http_route(rule()), by=request(tls=True)) == "demo, rule number 1"


class TestRules:
    def test_one_without_matches_takes_everything(self):
        assert taken(rule("all")) == "all"

    def test_one_without_a_name_goes_by_its_place(self):
        assert where(http_route(rule("api", prefix("/api")), rule())) == "demo, rule number 2"

    def test_among_equals_the_first_comes_first(self):
        assert where(http_route(rule("one"), rule("two"))) == "demo, rule one"

    def test_no_rule_may_match(self):
        assert taken(rule("api", prefix("/api"))) is None

    @pytest.mark.parametrize(
        ("value", "path", "matches"),
        [
            ("/", "/color", True),
            ("/color", "/color", True),
            ("/color", "/color/blue", True),
            ("/color", "/colors", False),
            ("/color/", "/color", True),
            ("/color/", "/color/blue", True),
        ],
    )
    def test_a_prefix_is_of_whole_elements(self, value: str, path: str, matches: bool):
        assert (taken(rule("it", prefix(value)), by=request(path)) == "it") is matches

    def test_an_exact_path_comes_before_a_prefix(self):
        assert taken(rule("prefix", prefix("/color")), rule("exact", exact("/color"))) == "exact"
        assert taken(rule("exact", exact("/color")), by=request("/color/blue")) is None

    def test_the_longest_prefix_comes_first(self):
        assert taken(rule("all", prefix("/")), rule("short", prefix("/co")), rule("long", prefix("/color"))) == "long"

    def test_a_regular_expression_comes_last(self):
        assert taken(rule("regex", regex("/c.*")), rule("all", prefix("/"))) == "all"
        assert taken(rule("regex", regex("/c.*"))) == "regex"
        assert taken(rule("regex", regex("/c"))) is None

    def test_a_method_comes_before_headers(self):
        headers = prefix("/", headers=[header()])
        by = request(x_tester="yes")
        assert taken(rule("headers", headers), rule("method", prefix("/", method="GET")), by=by) == "method"
        assert taken(rule("headers", headers), rule("method", prefix("/", method="POST")), by=by) == "headers"

    def test_a_rule_with_a_header_comes_before_one_without(self):
        """As the traffic router plugin adds it: behind the rule with the weights."""
        testers = rule("testers", prefix("/", headers=[header()]))
        primary = rule("primary", prefix("/"), backends=STABLE_95)
        assert taken(primary, testers) == "primary"
        assert taken(primary, testers, by=request(x_tester="yes")) == "testers"
        assert taken(primary, testers, by=request(x_tester="no")) == "primary"

    def test_more_headers_come_first(self):
        one = rule("one", prefix("/", headers=[header()]))
        two = rule("two", prefix("/", headers=[header(), header("eu", "x-region")]))
        assert taken(one, two, by=request(x_tester="yes", x_region="eu")) == "two"
        assert taken(one, two, by=request(x_tester="yes")) == "one"

    def test_a_header_may_be_a_regular_expression(self):
        testers = rule("testers", {"headers": [header("y.*", type="RegularExpression")]})
        assert taken(testers, by=request(x_tester="yes")) == "testers"
        assert taken(testers, by=request(x_tester="no")) is None

    def test_a_match_that_asks_for_a_query_does_not_match_one_without(self):
        assert taken(rule("query", {"queryParams": [{"name": "a", "value": "b"}]})) is None

    def test_any_of_its_matches_is_enough_and_the_best_one_counts(self):
        both = rule("both", prefix("/api"), exact("/color"))
        assert taken(both, rule("prefix", prefix("/color"))) == "both"

    def test_a_path_without_a_type_is_a_prefix(self):
        assert taken(rule("it", {"path": {"value": "/color"}}), by=request("/color/blue")) == "it"
