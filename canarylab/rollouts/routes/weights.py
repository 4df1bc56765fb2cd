"""What the route objects of a canary say of its weight: Istio's VirtualServices, the Gateway API's HTTPRoutes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from canarylab.kube.objects import Object, dig
from canarylab.rollouts.routes import http_routes, virtual_services

_PLUGIN = "argoproj-labs/gatewayAPI"
"""Argo's plugin for the Gateway API: https://github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi"""
_ALL = 100


class Reference(NamedTuple):
    """An object by which traffic is routed, in the order of the arguments of `Cluster.get`."""

    api_version: str
    kind: str
    name: str
    namespace: str


@dataclass(frozen=True)
class RouteWeight:
    """The canary's percent in one route. `where` names object and route."""

    where: str
    canary: float


def of(rollout: Object) -> list[Reference]:
    """The objects that the Rollout names, so that its controller writes weights into them."""
    routing = dig(rollout, "spec", "strategy", "canary", "trafficRouting") or {}
    home = rollout["metadata"]["namespace"]
    istio, plugin = routing.get("istio") or {}, (routing.get("plugins") or {}).get(_PLUGIN) or {}
    single = [istio["virtualService"]] if istio.get("virtualService") else []
    virtual = [one.get("name") or rollout["metadata"]["name"] for one in [*istio.get("virtualServices", ()), *single]]
    routed = [plugin["httpRoute"]] if plugin.get("httpRoute") else []
    routed += [one["name"] for one in plugin.get("httpRoutes") or ()]
    return [
        *(Reference(virtual_services.API_VERSION, virtual_services.KIND, *_place(name, home)) for name in virtual),
        *(
            Reference(http_routes.API_VERSION, http_routes.KIND, name, plugin.get("namespace") or home)
            for name in routed
        ),
    ]


def _place(name: str, home: str) -> tuple[str, str]:
    """Istio's names may say the namespace, as in `web/reviews`."""
    namespace, _, bare = name.rpartition("/")
    return bare, namespace or home


def weights(rollout: Object, objects: Sequence[Object]) -> tuple[RouteWeight, ...]:
    """The canary's weight in every route that chooses between it and stable."""
    names = _Names.of(rollout)
    found = []
    for where, destinations in _routes(objects):
        sides = [names.side(service, subset) for service, subset, _ in destinations]
        if {"stable", "canary"} <= set(sides):
            shares = (weight for side, (_, _, weight) in zip(sides, destinations, strict=True) if side == "canary")
            whole = sum(weight for _, _, weight in destinations) or _ALL
            found.append(RouteWeight(where, _ALL * sum(shares) / whole))
    return tuple(found)


@dataclass(frozen=True)
class _Names:
    """By which names a route means stable and canary: two Services, or two subsets of whichever Service."""

    stable: tuple[str, str]
    canary: tuple[str, str]

    @classmethod
    def of(cls, rollout: Object) -> _Names:
        canary = dig(rollout, "spec", "strategy", "canary") or {}
        rule = dig(canary, "trafficRouting", "istio", "destinationRule") or {}
        if rule.get("canarySubsetName") and rule.get("stableSubsetName"):
            return cls(("", rule["stableSubsetName"]), ("", rule["canarySubsetName"]))
        ping_pong = canary.get("pingPong")
        if ping_pong:
            services = [ping_pong["pingService"], ping_pong["pongService"]]
            if dig(rollout, "status", "canary", "stablePingPong") == "pong":
                services.reverse()
            return cls((services[0], ""), (services[1], ""))
        return cls((canary.get("stableService") or "", ""), (canary.get("canaryService") or "", ""))

    def side(self, service: str, subset: str) -> str:
        for name, (wanted_service, wanted_subset) in (("stable", self.stable), ("canary", self.canary)):
            if (wanted_service or wanted_subset) and wanted_service in ("", service) and wanted_subset == subset:
                return name
        return ""


_Destinations = Sequence[tuple[str, str, float]]
"""Service, subset, weight."""


def _routes(objects: Sequence[Object]) -> Iterator[tuple[str, _Destinations]]:
    for obj in objects:
        name, spec = obj["metadata"]["name"], obj.get("spec") or {}
        if obj["kind"] == http_routes.KIND:
            for position, rule in enumerate(spec.get("rules") or ()):
                where = f"{name}, rule {rule.get('name') or f'number {position + 1}'}"
                yield where, [(one["name"], "", one.get("weight", 1)) for one in rule.get("backendRefs") or ()]
            continue
        for protocol in ("http", "tls", "tcp"):
            for position, route in enumerate(spec.get(protocol) or ()):
                where = f"{name}, {protocol} route {_label(route, position)}"
                yield where, [_destination(one) for one in route.get("route") or ()]


def _label(route: Mapping[str, object], position: int) -> str:
    return str(route.get("name") or f"number {position + 1}")


def _destination(found: Object) -> tuple[str, str, float]:
    to = found["destination"]
    return to["host"].partition(".")[0], to.get("subset") or "", found.get("weight") or 0
