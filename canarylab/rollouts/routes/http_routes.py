"""HTTPRoutes of the Kubernetes Gateway API: their rules, and the one that a request falls under. Pure.

Matching: https://gateway-api.sigs.k8s.io/reference/spec/#gateway.networking.k8s.io/v1.HTTPRouteMatch
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.routes.match import Condition, Match, Request, host_rank
from canarylab.rollouts.routes.route import ALL, Destination, ObjectRef, Route, weighed

API_VERSION = "gateway.networking.k8s.io/v1"
KIND = "HTTPRoute"

GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
"""Of the pods that istiod starts for a Gateway of the Gateway API."""

_KINDS = {"Exact": "exact", "PathPrefix": "path prefix", "RegularExpression": "regex"}
_PATHS = ("regex", "path prefix", "exact")
"""Which kind of path comes first: the last. Istio takes regular expressions last (pilot/pkg/config/kube/gateway)."""


def routes(http_route: Object) -> list[Route]:
    """Its rules, each of which has at least one match."""
    return [_route(http_route, position, rule) for position, rule in enumerate(listed(http_route, "spec", "rules"))]


def _route(http_route: Object, position: int, rule: Any) -> Route:
    meta, name = dig(http_route, "metadata"), dig(rule, "name") or ""
    own = str(dig(meta, "namespace") or "")
    return Route(
        where=f"{dig(meta, 'name')}, rule {name or f'number {position + 1}'}",
        destinations=weighed([(_destination(one, own), one.get("weight", 1)) for one in listed(rule, "backendRefs")]),
        mirrors=tuple(_mirrors(rule, own)),
        ref=ObjectRef(API_VERSION, KIND, dig(meta, "name"), dig(meta, "namespace")),
        name=name,
        position=position,
        hosts=listed(http_route, "spec", "hostnames") or ("*",),
        matches=tuple(Match(tuple(_conditions(match))) for match in listed(rule, "matches") or ({},)),
    )


def _conditions(match: Object) -> Iterator[Condition]:
    path = match.get("path") or {}
    yield Condition("path", _KINDS[path.get("type", "PathPrefix")], path.get("value", "/"))
    if method := match.get("method"):
        yield Condition("method", wanted=method)
    for key, part in (("headers", "header"), ("queryParams", "query")):
        for each in match.get(key) or ():
            yield Condition(part, _KINDS[each.get("type", "Exact")], each["value"], each["name"])


def _destination(backend: Object, own: str, percent: float = ALL) -> Destination:
    """What is no Service is of no namespace: it has none of a Rollout's pods."""
    is_service = backend.get("kind", "Service") == "Service"
    namespace = (backend.get("namespace") or own) if is_service else ""
    return Destination(
        backend["name"], percent, namespace=namespace, weight=backend.get("weight"), port=backend.get("port")
    )


def _mirrors(rule: Object, own: str) -> Iterator[Destination]:
    for each in rule.get("filters") or ():
        if each.get("type") == "RequestMirror":
            yield _destination(each["requestMirror"]["backendRef"], own, _percent(each["requestMirror"]))


def _percent(mirror: Object) -> float:
    """As `percent` or `fraction` say, all without either."""
    if fraction := mirror.get("fraction"):
        return ALL * float(fraction["numerator"]) / float(fraction.get("denominator", ALL))
    return float(mirror.get("percent", ALL))


def route(http_routes: Iterable[Object], request: Request) -> Route | None:
    """The rule that such a request falls under, None where none of the objects is for it.

    The most specific of all that match, whatever their order: first by host name, then by path, then by method, then
    by the number of headers. Among equals the oldest object's comes first.
    """
    oldest_first = sorted(http_routes, key=lambda one: dig(one, "metadata", "creationTimestamp") or "")
    found = [
        ((by_host, *_rank(match)), rule)
        for one in oldest_first
        for rule in routes(one)
        if (by_host := max(host_rank(host, request.host) for host in rule.hosts))
        for match in rule.matches
        if match.holds(request)
    ]
    return max(found, key=lambda ranked: ranked[0], default=(None, None))[1]


def is_of(http_route: Object, gateway: str, namespace: str) -> bool:
    """Whether it names that Gateway of the Gateway API as a parent."""
    own = dig(http_route, "metadata", "namespace")
    parents = listed(http_route, "spec", "parentRefs")
    return any((one.get("name"), one.get("namespace", own)) == (gateway, namespace) for one in parents)


def _rank(match: Match) -> tuple[int, ...]:
    path, parts = match.conditions[0], [each.part for each in match.conditions]
    return _PATHS.index(path.kind), len(path.wanted), parts.count("method"), parts.count("header")
