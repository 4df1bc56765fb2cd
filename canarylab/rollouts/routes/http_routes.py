"""HTTPRoutes of the Kubernetes Gateway API: the rule that a request falls under. Pure.

Matching: https://gateway-api.sigs.k8s.io/reference/spec/#gateway.networking.k8s.io/v1.HTTPRouteMatch
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from canarylab.kube.objects import Object, dig
from canarylab.rollouts.routes.route import Asked, Destination, Route, host_rank, text_matches

API_VERSION = "gateway.networking.k8s.io/v1"
KIND = "HTTPRoute"

_KINDS = {"Exact": "exact", "PathPrefix": "path prefix", "RegularExpression": "regex"}
_PATHS = {"Exact": 2, "PathPrefix": 1, "RegularExpression": 0}
"""Which kind of path comes first; regular expressions come last in Istio (pilot/pkg/config/kube/gateway)."""
_ANY_PATH = {"type": "PathPrefix", "value": "/"}


@dataclass(frozen=True)
class _Matching:
    """A rule that matches, and how specifically it does."""

    rank: tuple[int, ...]
    where: str
    rule: Object


def route(http_routes: Iterable[Object], asked: Asked) -> Route | None:
    """The rule that such a request falls under, None where none of the objects is for it.

    The most specific of all that match, whatever their order: first by host name, then by path, then by method, then
    by the number of headers. Among equals the oldest object's comes first.
    """
    oldest_first = sorted(http_routes, key=lambda one: dig(one, "metadata", "creationTimestamp") or "")
    found = max(_matching(oldest_first, asked), key=lambda one: one.rank, default=None)
    if found is None:
        return None
    return Route(found.where, _destinations(found.rule.get("backendRefs") or ()), _mirrors(found.rule))


def _matching(http_routes: Iterable[Object], asked: Asked) -> Iterator[_Matching]:
    for http_route in http_routes:
        if not (by_host := _host_rank(http_route, asked)):
            continue
        for position, rule in enumerate(dig(http_route, "spec", "rules") or ()):
            where = f"{http_route['metadata']['name']}, rule {rule.get('name') or f'number {position + 1}'}"
            matches: Sequence[Object] = rule.get("matches") or ({},)
            for match in matches:
                if _matches(match, asked):
                    yield _Matching((by_host, *_rank(match)), where, rule)


def _host_rank(http_route: Object, asked: Asked) -> int:
    if asked.tls:
        return 0
    hostnames = dig(http_route, "spec", "hostnames") or ("*",)
    return max(host_rank(host, asked.host) for host in hostnames)


def _rank(match: Object) -> tuple[int, ...]:
    path = {**_ANY_PATH, **(match.get("path") or {})}
    return _PATHS[path["type"]], len(path["value"]), "method" in match, len(match.get("headers") or ())


def _matches(match: Object, asked: Asked) -> bool:
    path = {**_ANY_PATH, **(match.get("path") or {})}
    if not text_matches(_KINDS[path["type"]], path["value"], asked.path):
        return False
    if match.get("method", "GET") != "GET" or match.get("queryParams"):
        return False
    return all(_header(each, asked) for each in match.get("headers") or ())


def _header(wanted: Object, asked: Asked) -> bool:
    kind = _KINDS[wanted.get("type", "Exact")]
    return text_matches(kind, wanted["value"], asked.headers.get(wanted["name"].lower()))


def _destinations(found: Sequence[Object]) -> tuple[Destination, ...]:
    """Weights are parts of their sum here, 1 where none is said."""
    weights = [one.get("weight", 1) for one in found]
    whole = sum(weights) or 1
    return tuple(Destination(one["name"], 100 * weight / whole) for one, weight in zip(found, weights, strict=True))


def _mirrors(rule: Object) -> tuple[Destination, ...]:
    filters = [each["requestMirror"] for each in rule.get("filters") or () if each.get("type") == "RequestMirror"]
    return tuple(Destination(each["backendRef"]["name"], _percent(each)) for each in filters)


def _percent(mirror: Object) -> float:
    """As `percent` or `fraction` say, all without either."""
    if fraction := mirror.get("fraction"):
        return 100 * float(fraction["numerator"]) / float(fraction.get("denominator", 100))
    return float(mirror.get("percent", 100))
