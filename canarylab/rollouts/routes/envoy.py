"""Reads what Envoy's admin interface says: the route that a request takes, and the endpoints of a cluster. Pure.

https://www.envoyproxy.io/docs/envoy/latest/operations/admin: /config_dump and /clusters?format=json
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canarylab.rollouts.routes.route import Asked, host_rank, text_matches

ADMIN_PORT = 15000
"""Where Istio has Envoy's admin interface listen, on the pod's loopback only."""
ROUTES = "/config_dump?resource=dynamic_route_configs"
LISTENERS = "/config_dump?resource=dynamic_listeners"
CLUSTERS = "/clusters?format=json"

Json = Mapping[str, Any]

_TCP_PROXY = "envoy.filters.network.tcp_proxy"
_PATHS = {"prefix": "prefix", "path": "exact", "path_separated_prefix": "path prefix"}
_DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


@dataclass(frozen=True)
class EnvoyRoute:
    """Percent by Envoy's cluster, and by the clusters that get copies."""

    clusters: Mapping[str, float]
    mirrors: Mapping[str, float]

    def __str__(self) -> str:
        words = [f"{shown(cluster)} {percent:g}" for cluster, percent in self.clusters.items()]
        words += [f"mirrored to {shown(cluster)} {percent:g}" for cluster, percent in self.mirrors.items()]
        return ", ".join(words)


@dataclass(frozen=True)
class Endpoint:
    """One address of a cluster. Counters are since the proxy learnt of it; of TCP only connections count."""

    address: str
    healthy: bool
    requests: int
    errors: int
    connections: int


def shown(cluster: str) -> str:
    """Of `outbound|15372|subset|service.namespace.svc.cluster.local` what a reader wants: service or service/subset."""
    direction, _, rest = cluster.partition("|")
    if direction not in ("outbound", "inbound") or rest.count("|") != 2:  # noqa: PLR2004 - port, subset, host
        return cluster
    _, subset, host = rest.split("|")
    return host.partition(".")[0] + (f"/{subset}" if subset else "")


def http_route(dump: Json, asked: Asked) -> EnvoyRoute | None:
    """The route that the proxy would take, of whichever listener has the most specific domain; None without one."""
    best, found = 0, None
    for host in _virtual_hosts(dump):
        rank = max(host_rank(domain.partition(":")[0], asked.host) for domain in host["domains"])
        if rank > best:
            best, found = rank, host
    routes = found.get("routes", ()) if found else ()
    taken = next((route for route in routes if _matches(route["match"], asked)), None)
    if taken is None or "route" not in taken:  # it redirects, or answers by itself
        return None
    return _actions(taken["route"])


def tls_route(dump: Json, asked: Asked) -> EnvoyRoute | None:
    """Where connections of that SNI are passed on to, by the filter chain that names it most specifically."""
    best, found = 0, None
    for chain, proxy in _tcp_proxies(dump):
        names = (chain.get("filter_chain_match") or {}).get("server_names") or ()
        rank = max((host_rank(name, asked.host) for name in names), default=0)
        if rank > best:
            best, found = rank, proxy
    return EnvoyRoute(_weights(found), {}) if found else None


def endpoints(clusters: Json) -> Mapping[str, Sequence[Endpoint]]:
    """The endpoints of every cluster, by the cluster's name."""
    found: dict[str, list[Endpoint]] = defaultdict(list)
    for cluster in clusters.get("cluster_statuses", ()):
        for host in cluster.get("host_statuses", ()):
            found[cluster["name"]].append(_endpoint(host))
    return found


def _endpoint(host: Json) -> Endpoint:
    counted = {each["name"]: int(each.get("value", 0)) for each in host.get("stats", ())}
    health = host.get("health_status") or {}
    return Endpoint(
        address=((host.get("address") or {}).get("socket_address") or {}).get("address", ""),
        healthy=health.get("eds_health_status", "HEALTHY") == "HEALTHY" and not health.get("failed_outlier_check"),
        requests=counted.get("rq_total", 0),
        errors=counted.get("rq_error", 0),
        connections=counted.get("cx_total", 0),
    )


def _virtual_hosts(dump: Json) -> Iterator[Json]:
    for config in _each(dump, "route_config"):
        yield from config.get("virtual_hosts", ())


def _tcp_proxies(dump: Json) -> Iterator[tuple[Json, Json]]:
    """Filter chains that pass bytes through, each with where to."""
    for listener in _each(dump, "active_state", "listener"):
        for chain in listener.get("filter_chains", ()):
            for each in chain.get("filters", ()):
                if each["name"] == _TCP_PROXY:
                    yield chain, each["typed_config"]


def _each(dump: Json, *path: str) -> Iterator[Json]:
    for found in dump.get("configs", ()):
        for key in path:
            found = (found or {}).get(key)  # noqa: PLW2901 - one step down
        if found:
            yield found


def _matches(match: Json, asked: Asked) -> bool:
    """Every condition of a match must hold; one that isn't known here doesn't."""
    return all(_holds(key, wanted, asked) for key, wanted in match.items())


def _holds(key: str, wanted: Any, asked: Asked) -> bool:
    match key:
        case "headers":
            return all(_header(each, asked) for each in wanted)
        case "prefix" | "path" | "path_separated_prefix":
            return text_matches(_PATHS[key], str(wanted), asked.path)
        case "safe_regex":
            return text_matches("regex", str(wanted["regex"]), asked.path)
    return key == "case_sensitive" and bool(wanted)


def _header(wanted: Json, asked: Asked) -> bool:
    """A HeaderMatcher: a header that isn't there matches no text, inverted or not, unless it counts as empty."""
    name, conditions = wanted["name"], wanted.keys() - {"name", "invert_match", "treat_missing_header_as_empty"}
    found = {":method": "GET", ":authority": asked.host, ":path": asked.path}.get(name, asked.headers.get(name.lower()))
    if conditions <= {"present_match"}:
        holds = (found is not None) is wanted.get("present_match", True)
    elif conditions == {"string_match"} and (found is not None or wanted.get("treat_missing_header_as_empty")):
        holds = all(_string(kind, text, found or "") for kind, text in wanted["string_match"].items())
    else:
        return False
    return holds is not bool(wanted.get("invert_match"))


def _string(kind: str, wanted: Any, found: str) -> bool:
    if kind == "safe_regex":
        return text_matches("regex", wanted["regex"], found)
    return text_matches(kind, str(wanted), found)


def _actions(action: Json) -> EnvoyRoute:
    mirrors = {
        each["cluster"]: _percent(each.get("runtime_fraction")) for each in action.get("request_mirror_policies", ())
    }
    return EnvoyRoute(_weights(action), mirrors)


def _weights(action: Json) -> Mapping[str, float]:
    if "cluster" in action:
        return {action["cluster"]: 100.0}
    weighted = (action.get("weighted_clusters") or {}).get("clusters", ())
    whole = sum(each.get("weight", 0) for each in weighted) or 1
    shares: dict[str, float] = defaultdict(float)
    for each in weighted:
        shares[each["name"]] += 100 * each.get("weight", 0) / whole
    return shares


def _percent(fraction: Json | None) -> float:
    """A RuntimeFractionalPercent; all where there is none."""
    if not fraction:
        return 100.0
    value = fraction.get("default_value") or {}
    return 100 * float(value.get("numerator", 0)) / _DENOMINATORS[value.get("denominator", "HUNDRED")]
