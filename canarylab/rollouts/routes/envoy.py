"""Reads what Envoy's admin interface says: the route that a request takes, and the endpoints of a cluster. Pure.

https://www.envoyproxy.io/docs/envoy/latest/operations/admin: /config_dump and /clusters?format=json
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.routes.match import Condition, Match, Request
from canarylab.rollouts.routes.route import ALL, Destination, Route, first, most_specific, service_of, weighed

ADMIN_PORT = 15000
"""Where Istio has Envoy's admin interface listen, on the pod's loopback only."""
ROUTES = "/config_dump?resource=dynamic_route_configs"
LISTENERS = "/config_dump?resource=dynamic_listeners"
CLUSTERS = "/clusters?format=json"

_TCP_PROXY = "envoy.filters.network.tcp_proxy"
_PATHS = {"prefix": "prefix", "path": "exact", "path_separated_prefix": "path prefix", "safe_regex": "safe_regex"}
_PSEUDO_HEADERS = {":method": "method", ":authority": "host", ":path": "path"}
_DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


@dataclass(frozen=True)
class Endpoint:
    """One address of a cluster. Counters are since the proxy learnt of it; of TCP only connections count."""

    address: str
    healthy: bool
    requests: int
    errors: int
    connections: int


def http_route(dump: Object, request: Request) -> Route | None:
    """The route that the proxy would take, of whichever listener has the most specific domain; None without one."""
    return _taken((_http_routes(host) for host in _virtual_hosts(dump)), request)


def tls_route(dump: Object, request: Request) -> Route | None:
    """Where connections of that SNI are passed on to, by the filter chain that names it most specifically."""
    return _taken(([_tls_route(chain, proxy)] for chain, proxy in _tcp_proxies(dump)), request)


def _taken(groups: Iterable[Sequence[Route]], request: Request) -> Route | None:
    """None also of one that redirects, or answers by itself."""
    found = next((first(group, request) for group in most_specific(groups, request)), None)
    return found if found and found.destinations else None


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


def _virtual_hosts(dump: Object) -> Iterator[Object]:
    for config in _each(dump, "route_config"):
        yield from config.get("virtual_hosts", ())


def _tcp_proxies(dump: Object) -> Iterator[tuple[Object, Object]]:
    """Filter chains that pass bytes through, each with where to."""
    for listener in _each(dump, "active_state", "listener"):
        for chain in listener.get("filter_chains", ()):
            for each in chain.get("filters", ()):
                if each["name"] == _TCP_PROXY:
                    yield chain, each["typed_config"]


def _each(dump: Object, *path: str) -> Iterator[Object]:
    return filter(None, (dig(config, *path) for config in dump.get("configs", ())))


def _http_routes(host: Object) -> list[Route]:
    hosts = [domain.partition(":")[0] for domain in host["domains"]]
    return [
        Route(
            where=route.get("name", ""),
            destinations=_destinations(route.get("route")),
            mirrors=_mirrors(route.get("route")),
            position=position,
            hosts=hosts,
            matches=(Match(tuple(_conditions(route["match"]))),),
        )
        for position, route in enumerate(host.get("routes", ()))
    ]


def _tls_route(chain: Object, proxy: Object) -> Route:
    names = dig(chain, "filter_chain_match", "server_names") or ()
    return Route(chain.get("name", ""), _destinations(proxy), protocol="tls", hosts=names)


def _conditions(match: Object) -> Iterator[Condition]:
    for key, wanted in match.items():
        if key == "headers":
            for header in wanted:
                yield from _header(header)
        elif key in _PATHS:
            yield Condition("path", *_text(_PATHS[key], wanted))
        elif key != "case_sensitive" or not wanted:
            yield Condition(key)


def _header(wanted: Object) -> Iterator[Condition]:
    """A HeaderMatcher: a header that isn't there matches no text, inverted or not, unless it counts as empty."""
    name, kinds = wanted["name"], wanted.keys() - {"name", "invert_match", "treat_missing_header_as_empty"}
    part, inverted = _PSEUDO_HEADERS.get(name, "header"), bool(wanted.get("invert_match"))
    if kinds <= {"present_match"}:
        yield Condition(part, "present", name=name, negated=wanted.get("present_match", True) is inverted)
        return
    absent_as = "" if wanted.get("treat_missing_header_as_empty") else None
    if inverted and absent_as is None:
        yield Condition(part, "present", name=name)
    if kinds != {"string_match"}:
        yield Condition(f"header by {', '.join(kinds)}")
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
    if not fraction:
        return ALL
    value = fraction.get("default_value") or {}
    return ALL * float(value.get("numerator", 0)) / _DENOMINATORS[value.get("denominator", "HUNDRED")]
