"""The routes of a VirtualService with their weights, and why Argo Rollouts may have left one alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from canarylab.demo.rollout import Object, dig

_ISSUES = "argoproj/argo-rollouts#4741, #3884"


@dataclass(frozen=True)
class Route:
    """An http or tls route. `weights` maps the first word of a destination's host, a Service's name, to percent."""

    virtual_service: str
    protocol: Literal["http", "tls"]
    position: int
    name: str
    sni_hosts: tuple[str, ...]
    ports: frozenset[int]
    weights: Mapping[str, int]

    def __str__(self) -> str:
        label = self.name or ", ".join(self.sni_hosts) or f"number {self.position + 1}"
        return f"{self.virtual_service}, {self.protocol} route {label}"


def routes(virtual_service: Object) -> list[Route]:
    """All http and tls routes, in order."""
    name, spec = virtual_service["metadata"]["name"], virtual_service["spec"]
    http = [_route(name, "http", position, route) for position, route in enumerate(spec.get("http", ()))]
    return http + [_route(name, "tls", position, route) for position, route in enumerate(spec.get("tls", ()))]


def _route(virtual_service: str, protocol: Literal["http", "tls"], position: int, route: Object) -> Route:
    matches = route.get("match", ())
    return Route(
        virtual_service,
        protocol,
        position,
        name=route.get("name", ""),
        sni_hosts=tuple(host for match in matches for host in match.get("sniHosts", ())),
        ports=frozenset(match["port"] for match in matches if "port" in match),
        weights=_weights(route.get("route", ())),
    )


def _weights(destinations: Sequence[Object]) -> dict[str, int]:
    """By Service; a destination alone takes everything without saying so, one of several without a weight nothing."""
    default = 100 if len(destinations) == 1 else 0
    weights: dict[str, int] = {}
    for destination in destinations:
        service = destination["destination"]["host"].partition(".")[0]
        weights[service] = weights.get(service, 0) + destination.get("weight", default)
    return weights


def left_alone(route: Route, rollout: Object, http_routes: int) -> str:
    """Why the controller doesn't touch this route, so that a Rollout goes on without it; "" if it should.

    `http_routes` is how many http routes the VirtualService has.
    """
    listed = _listed(rollout).get(route.virtual_service)
    if listed is None:
        return f"the Rollout doesn't list {route.virtual_service} under spec.strategy.canary.trafficRouting.istio"
    if route.protocol == "http" and _http_left_alone(route, listed.get("routes") or (), http_routes):
        names = ", ".join(listed.get("routes") or ()) or "none"
        return (
            f"route names don't match: the VirtualService's is {route.name or 'unnamed'}, the Rollout lists {names}; "
            f"the weights are then left alone while the Rollout goes on ({_ISSUES})"
        )
    if route.protocol == "tls" and _tls_left_alone(route, listed.get("tlsRoutes") or ()):
        return "the Rollout's tlsRoutes name another port or other sniHosts; without any, only the first is weighted"
    return ""


def _listed(rollout: Object) -> dict[str, Object]:
    istio = dig(rollout, "spec", "strategy", "canary", "trafficRouting", "istio") or {}
    single = [istio["virtualService"]] if istio.get("virtualService") else []
    return {one["name"].rpartition("/")[2]: one for one in [*istio.get("virtualServices", ()), *single]}


def _http_left_alone(route: Route, names: Sequence[str], http_routes: int) -> bool:
    if names:
        return route.name not in names
    return http_routes > 1 and bool(route.name)


def _tls_left_alone(route: Route, tls_routes: Sequence[Object]) -> bool:
    if not tls_routes:
        return route.position > 0
    return not any(_tls_matches(route, listed) for listed in tls_routes)


def _tls_matches(route: Route, listed: Object) -> bool:
    port, hosts = listed.get("port"), set(listed.get("sniHosts") or ())
    return (not port or route.ports == {port}) and (not hosts or set(route.sni_hosts) == hosts)
