"""Reads what Envoy's admin interface says: the route that a request takes, and the endpoints of a cluster. Pure.

https://www.envoyproxy.io/docs/envoy/latest/operations/admin: /config_dump and /clusters?format=json
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.routes.match import Condition, Match, Request
from canarylab.rollouts.routes.route import (
    ALL,
    TO_HTTPS,
    Destination,
    Route,
    first,
    reached,
    service_of,
    under,
    weighed,
)

ADMIN_PORT = 15000
"""Where Istio has Envoy's admin interface listen, on the pod's loopback only."""
ROUTES = "/config_dump?resource=dynamic_route_configs"
LISTENERS = "/config_dump?resource=dynamic_listeners"
CLUSTERS = "/clusters?format=json"

_FAULT = "envoy.filters.http.fault"
_TCP_PROXY = "envoy.filters.network.tcp_proxy"
_HTTP_MANAGER = "envoy.filters.network.http_connection_manager"
_PATHS = {"prefix": "prefix", "path": "exact", "path_separated_prefix": "path prefix", "safe_regex": "safe_regex"}
_PSEUDO_HEADERS = {":method": "method", ":authority": "host", ":path": "path", ":scheme": "scheme"}
_ANSWERS = {"redirect": "a redirect", "direct_response": "an answer of its own"}
_DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


@dataclass(frozen=True)
class Endpoint:
    """One address of a cluster. Counters are since the proxy learnt of it; of TCP only connections count."""

    address: str
    healthy: bool
    requests: int
    errors: int
    connections: int


def route(listeners: Object, routes: Object, request: Request, port: int, own: Sequence[str] = ()) -> Route | None:
    """What the proxy does with such a request at a port of its own: None where it has no route for it.

    A listener's filter chain is chosen by SNI; it passes connections on, or has routes of requests. `own` are the
    addresses of the proxy's pod.
    """
    there = [
        (str(dig(listener, "address", "socket_address", "address") or ""), listener)
        for listener in _each(listeners, "active_state", "listener")
        if dig(listener, "address", "socket_address", "port_value") == port
    ]
    chains = [
        (name, chain)
        for listener in reached(there, own)
        for chain in (*listed(listener, "filter_chains"), listener.get("default_filter_chain") or {})
        for name in dig(chain, "filter_chain_match", "server_names") or ("*",)
        if request.tls or name == "*"
    ]
    chain = under(request.host, chains)
    if chain is None:
        return None
    filters = {each["name"]: each["typed_config"] for each in listed(chain, "filters") if each.get("typed_config")}
    if "transport_socket" in chain and not request.tls:
        return None
    if proxy := filters.get(_TCP_PROXY):
        return Route(chain.get("name", ""), _destinations(proxy), protocol="tls" if request.tls else "tcp")
    if request.tls and "transport_socket" not in chain:
        return None
    name = dig(filters.get(_HTTP_MANAGER), "rds", "route_config_name")
    config = next((one for one in _each(routes, "route_config") if one.get("name") == name), None)
    hosts = [(domain.partition(":")[0], one) for one in listed(config, "virtual_hosts") for domain in one["domains"]]
    host = under(request.host, hosts)
    if dig(host, "require_tls") == "ALL" and not request.tls:
        return Route(dig(host, "name") or "", (), answer=TO_HTTPS)
    return first(_http_routes(host), request) if host else None


def endpoints(clusters: Object) -> Mapping[str, Sequence[Endpoint]]:
    """The endpoints of every cluster, by the cluster's name."""
    found: dict[str, list[Endpoint]] = defaultdict(list)
    for cluster in clusters.get("cluster_statuses", ()):
        for host in cluster.get("host_statuses", ()):
            found[cluster["name"]].append(_endpoint(host))
    return found


def _endpoint(host: Object) -> Endpoint:
    counted = {each["name"]: int(each.get("value", 0)) for each in host.get("stats", ())}
    health = host.get("health_status")
    return Endpoint(
        address=dig(host, "address", "socket_address", "address") or "",
        healthy=dig(health, "eds_health_status") in (None, "HEALTHY") and not dig(health, "failed_outlier_check"),
        requests=counted.get("rq_total", 0),
        errors=counted.get("rq_error", 0),
        connections=counted.get("cx_total", 0),
    )


def _each(dump: Object, *path: str) -> Iterator[Object]:
    return filter(None, (dig(config, *path) for config in dump.get("configs", ())))


def _http_routes(host: Object) -> list[Route]:
    return [
        Route(
            where=route.get("name", ""),
            destinations=_destinations(route.get("route")),
            mirrors=_mirrors(route.get("route")),
            answer=next((words for key, words in _ANSWERS.items() if key in route), ""),
            aborted=_fraction(dig(route, "typed_per_filter_config", _FAULT, "abort", "percentage") or {}),
            position=position,
            matches=(Match(tuple(_conditions(route["match"]))),),
        )
        for position, route in enumerate(listed(host, "routes"))
    ]


def _conditions(match: Object) -> Iterator[Condition]:
    ignore_case = match.get("case_sensitive") is False
    for key, wanted in match.items():
        if key in ("headers", "query_parameters"):
            for one in wanted:
                yield from _named(one, "header" if key == "headers" else "query")
        elif key in _PATHS:
            yield Condition("path", *_text(_PATHS[key], wanted), ignore_case=ignore_case)
        elif key == "dynamic_metadata" and all(one.get("invert") for one in wanted):
            continue  # of a token, which the demonstration's requests don't have: it holds
        elif key != "case_sensitive":
            yield Condition(key, "unknown")


def _named(wanted: Object, part: str) -> Iterator[Condition]:
    """A matcher of a header or a query parameter.

    One that isn't there matches no text, inverted or not, unless it counts as empty.
    """
    name, kinds = wanted["name"], wanted.keys() - {"name", "invert_match", "treat_missing_header_as_empty"}
    part, inverted = _PSEUDO_HEADERS.get(name, part), bool(wanted.get("invert_match"))
    if kinds <= {"present_match"}:
        yield Condition(part, "present", name=name, negated=wanted.get("present_match", True) is inverted)
        return
    absent_as = "" if wanted.get("treat_missing_header_as_empty") else None
    if inverted and absent_as is None:
        yield Condition(part, "present", name=name)
    if kinds != {"string_match"}:
        yield Condition(f"{part} by {', '.join(kinds)}", "unknown")
        return
    for kind, text in wanted["string_match"].items():
        yield Condition(part, *_text(kind, text), name, inverted, absent_as)


def _text(kind: str, wanted: Any) -> tuple[str, str]:
    """Kind and text of a StringMatch or of a path's."""
    return ("regex", wanted["regex"]) if kind == "safe_regex" else (kind, str(wanted))


def _destinations(action: Object | None) -> tuple[Destination, ...]:
    if cluster := dig(action, "cluster"):
        return (_destination(cluster),)
    weights = Counter[str]()
    for each in listed(action, "weighted_clusters", "clusters"):
        weights[each["name"]] += each.get("weight", 0)
    return weighed([(_destination(cluster), weight) for cluster, weight in weights.items()])


def _mirrors(action: Object | None) -> tuple[Destination, ...]:
    policies = listed(action, "request_mirror_policies")
    return tuple(_destination(each["cluster"], _percent(each.get("runtime_fraction"))) for each in policies)


def _destination(cluster: str, percent: float = ALL) -> Destination:
    """Of `outbound|15372|subset|service.namespace.svc.cluster.local` the Service; any other goes by its own name."""
    direction, _, rest = cluster.partition("|")
    if direction not in ("outbound", "inbound") or rest.count("|") != 2:  # noqa: PLR2004 - port, subset, host
        return Destination(cluster, percent, cluster=cluster)
    _, subset, host = rest.split("|")
    service, namespace = service_of(host)
    return Destination(service, percent, subset, namespace, cluster=cluster)


def _percent(fraction: Object | None) -> float:
    """A RuntimeFractionalPercent; all where there is none."""
    return _fraction(fraction.get("default_value") or {}) if fraction else ALL


def _fraction(value: Object) -> float:
    """A FractionalPercent in percent."""
    return ALL * float(value.get("numerator", 0)) / _DENOMINATORS[value.get("denominator", "HUNDRED")]
