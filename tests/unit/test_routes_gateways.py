"""Which servers of Istio's Gateways a request comes to."""

from __future__ import annotations

from typing import Any

import pytest

from canarylab.rollouts.routes import envoy
from canarylab.rollouts.routes.gateways import Routing
from canarylab.rollouts.routes.match import Proxy, Request

Json = dict[str, Any]

OWN = "10.0.0.7"
PROXY = Proxy("istio-ingress", {}, addresses=(OWN,))
SIMPLE, PASSTHROUGH = {"mode": "SIMPLE"}, {"mode": "PASSTHROUGH"}
ANY = "0.0.0.0"


def server(number: int, protocol: str, *hosts: str, **more: Any) -> Json:
    return {"port": {"number": number, "protocol": protocol}, "hosts": [*hosts] or ["*"], **more}


def gateway(name: str, *servers: Json) -> Json:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"servers": [*servers]}}


def to(host: str) -> list[Json]:
    return [{"destination": {"host": host}}]


def routes_of(*gateways: str, **spec: Any) -> Json:
    """Requests go to `http`, connections to `tcp`, TLS that is passed through to `tls`, with the gateways' names."""
    suffix = "-".join(gateways)
    named: Json = {
        "http": [{"route": to(f"http-{suffix}")}],
        "tcp": [{"route": to(f"tcp-{suffix}")}],
        "tls": [{"match": [{"sniHosts": ["*.test"]}], "route": to(f"tls-{suffix}")}],
    }
    chosen = {key: named[key] for key in spec.pop("of", named)}
    meta = {"name": f"of-{suffix}", "namespace": "shop"}
    return {"metadata": meta, "spec": {"hosts": ["*.test"], "gateways": [*gateways], **chosen, **spec}}


def taken(gateways: list[Json], *services: Json, port: int, tls: bool = False) -> str:
    found = Routing(gateways, services, PROXY).route(Request("web.test", "/", {}, tls=tls, port=port))
    return str(found)


class TestAddresses:
    @pytest.mark.parametrize(("bind", "is_reached"), [("", True), (ANY, True), (OWN, True), ("127.0.0.1", False)])
    def test_a_server_of_another_address_is_not_reached(self, bind: str, is_reached: bool):
        found = taken([gateway("a", server(80, "HTTP", bind=bind))], routes_of("a"), port=80)
        assert found == ("http-a 100" if is_reached else "None")

    def test_the_one_of_the_pods_own_address_comes_before_the_one_of_all(self):
        both = [gateway("a", server(80, "HTTP")), gateway("b", server(80, "HTTP", bind=OWN))]
        assert taken(both, routes_of("a"), routes_of("b"), port=80) == "http-b 100"

    def test_unless_istiod_makes_nothing_of_it(self):
        both = [gateway("a", server(9000, "TCP")), gateway("b", server(9000, "TCP", bind=OWN))]
        assert taken(both, routes_of("a"), routes_of("b", of=["http"]), port=9000) == "tcp-a 100"

    def test_only_those_of_one_address_exclude_each_other(self):
        other = gateway("a", server(80, "TCP", bind="127.0.0.1"))
        assert taken([other, gateway("b", server(80, "HTTP"))], routes_of("a"), routes_of("b"), port=80) == "http-b 100"
        same = gateway("a", server(80, "TCP"))
        assert taken([same, gateway("b", server(80, "HTTP"))], routes_of("a"), routes_of("b"), port=80) == "tcp-a 100"


class TestStreams:
    def test_a_plain_one_passes_on_tls_as_it_is(self):
        assert taken([gateway("a", server(9000, "TCP"))], routes_of("a"), port=9000, tls=True) == "tcp-a 100"

    def test_plain_requests_do_not(self):
        assert taken([gateway("a", server(80, "HTTP"))], routes_of("a"), port=80, tls=True) == "None"

    def test_one_whose_tls_ends_here_leaves_the_host_to_others_where_it_has_no_route(self):
        streams = gateway("a", server(8443, "TLS", "web.test", tls=SIMPLE))
        passing = gateway("b", server(8443, "TLS", "*.test", tls=PASSTHROUGH))
        both = [streams, passing]
        assert taken(both, routes_of("a"), routes_of("b"), port=8443, tls=True) == "tcp-a 100"
        assert taken(both, routes_of("a", of=["http"]), routes_of("b"), port=8443, tls=True) == "tls-b 100"


class TestHostsOfTls:
    def test_one_host_of_two_namespaces_is_two(self):
        first = gateway("a", server(443, "TLS", "other/web.test", tls=PASSTHROUGH))
        second = gateway("b", server(443, "TLS", "shop/web.test", tls=PASSTHROUGH))
        assert taken([first, second], routes_of("b"), port=443, tls=True) == "tls-b 100"
        twice = gateway("a", server(443, "TLS", "shop/web.test", tls=PASSTHROUGH))
        assert taken([twice, second], routes_of("b"), port=443, tls=True) == "None"

    def test_a_host_that_is_redirected_is_so_by_the_first_alone(self):
        redirects = {"tls": {"httpsRedirect": True}}
        both = [gateway("a", server(80, "HTTP", **redirects)), gateway("b", server(80, "HTTP", **redirects))]
        found = Routing(both, [routes_of("b")], PROXY).route(Request("web.test", "/", {}, tls=False, port=80))
        assert found
        assert found.where == "Gateway shop/a"


class TestEnvoy:
    """The same in its own configuration."""

    def listener(self, address: str, cluster: str, **chain: Any) -> Json:
        proxy = {"name": "envoy.filters.network.tcp_proxy", "typed_config": {"cluster": cluster}}
        at = {"socket_address": {"address": address, "port_value": 80}}
        return {"active_state": {"listener": {"address": at, "filter_chains": [{"filters": [proxy], **chain}]}}}

    def taken(self, *listeners: Json, tls: bool = False) -> str:
        asked = Request("web.test", "/", {}, tls=tls, port=80)
        return str(envoy.route({"configs": [*listeners]}, {}, asked, 80, (OWN,)))

    def test_a_listener_of_another_address_is_not_reached(self):
        elsewhere, everywhere, own = (
            self.listener(at, name) for at, name in ((("127.0.0.1"), "x"), (ANY, "y"), (OWN, "z"))
        )
        assert self.taken(elsewhere) == "None"
        assert self.taken(elsewhere, everywhere) == "y 100"
        assert self.taken(everywhere, own) == "z 100"

    def test_a_stream_whose_tls_ends_here_takes_no_plain_connection(self):
        stream = self.listener(ANY, "y", transport_socket={})
        assert (self.taken(stream, tls=True), self.taken(stream)) == ("y 100", "None")

    def test_a_plain_stream_takes_tls_as_well(self):
        assert self.taken(self.listener(ANY, "y"), tls=True) == "y 100"

    def test_what_a_route_aborts_is_said(self):
        abort = {"http_status": 503, "percentage": {"numerator": 50_000, "denominator": "MILLION"}}
        route = {
            "match": {"prefix": "/"},
            "route": {"cluster": "y"},
            "typed_per_filter_config": {"envoy.filters.http.fault": {"abort": abort}},
        }
        manager = {
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {"rds": {"route_config_name": "r"}},
        }
        listener = self.listener(ANY, "")
        listener["active_state"]["listener"]["filter_chains"][0]["filters"] = [manager]
        routes = {
            "configs": [{"route_config": {"name": "r", "virtual_hosts": [{"domains": ["*"], "routes": [route]}]}}]
        }
        found = envoy.route({"configs": [listener]}, routes, Request("web.test", "/", {}, tls=False, port=80), 80)
        assert str(found) == "y 100, 5 % of it aborted by the route's fault"
