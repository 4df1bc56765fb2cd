"""Istio's VirtualServices: their routes, which of them a request takes, and why Argo may have left it alone. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.routes.match import Condition, Match, Request
from canarylab.rollouts.routes.route import (
    ALL,
    Destination,
    ObjectRef,
    Route,
    first,
    most_specific,
    service_of,
    weighed,
)
from canarylab.rollouts.routing import listed_virtual_services, managed_routes
from canarylab.rollouts.strategy import strategy_of

API_VERSION = "networking.istio.io/v1"
KIND = "VirtualService"

_ISSUES = "argoproj/argo-rollouts#4741, #3884"
_PARTS = {"uri": "path", "method": "method"}


def routes(virtual_service: Object) -> list[Route]:
    """All of it, those of http before those of tls and tcp."""
    return [
        _route(virtual_service, protocol, position, found)
        for protocol in ("http", "tls", "tcp")
        for position, found in enumerate(listed(virtual_service, "spec", protocol))
    ]


def _route(virtual_service: Object, protocol: str, position: int, found: Any) -> Route:
    meta, name = dig(virtual_service, "metadata"), dig(found, "name") or ""
    matches = tuple(_match(each, protocol) for each in listed(found, "match"))
    names = [name for match in matches for name in match.server_names or ()]
    label = ", ".join(names) if protocol == "tls" else ""
    return Route(
        where=f"{dig(meta, 'name')}, {protocol} route {name or label or f'number {position + 1}'}",
        destinations=_destinations(listed(found, "route")),
        mirrors=tuple(_mirrors(found)),
        ref=ObjectRef(API_VERSION, KIND, dig(meta, "name"), dig(meta, "namespace")),
        protocol=protocol,
        name=name,
        position=position,
        hosts=names if protocol == "tls" else [str(host) for host in listed(virtual_service, "spec", "hosts")],
        matches=matches,
    )


def _match(match: Any, protocol: str) -> Match:
    names = tuple(map(str, listed(match, "sniHosts"))) if protocol == "tls" else None
    return Match(tuple(_conditions(match)), names, dig(match, "port"))


def _conditions(match: Any) -> Iterator[Condition]:
    for key, wanted in match.items() if isinstance(match, Mapping) else ():
        if key in ("headers", "withoutHeaders"):
            for name, text in wanted.items():
                yield from _texts("header", text, name, negated=key == "withoutHeaders")
        elif key in _PARTS:
            yield from _texts(_PARTS[key], wanted)
        elif key not in ("name", "port", "sniHosts"):
            yield Condition(key)


def _texts(part: str, wanted: Mapping[str, str], name: str = "", *, negated: bool = False) -> Iterator[Condition]:
    """A StringMatch; an empty one asks only that there is a value."""
    for kind, text in (wanted or {"present": ""}).items():
        yield Condition(part, kind, text, name, negated)


def _destinations(found: Sequence[Any]) -> tuple[Destination, ...]:
    """Weights are parts of their sum. One alone takes everything whatever it says, one of several without nothing."""
    alone = len(found) == 1
    return weighed([(_destination(one), 1 if alone else dig(one, "weight") or 0) for one in found])


def _destination(found: Any, percent: float = ALL) -> Destination:
    to = dig(found, "destination")
    name, namespace = service_of(str(dig(to, "host") or ""))
    return Destination(name, percent, dig(to, "subset") or "", namespace, dig(found, "weight"))


def target(found: Any) -> tuple[str, str]:
    """Service and subset of a destination as it is written."""
    to = _destination(found)
    return to.service, to.subset


def _mirrors(found: Any) -> Iterator[Destination]:
    """The list `mirrors`, and `mirror` with its percentage, which is all by default."""
    alone = {"destination": dig(found, "mirror"), "percentage": dig(found, "mirrorPercentage")}
    for each in (*listed(found, "mirrors"), *([alone] if alone["destination"] else ())):
        percent = dig(each, "percentage", "value")
        yield _destination(each, ALL if percent is None else percent)


def route(virtual_services: Iterable[Object], rollout: Object, request: Request) -> Route | None:
    """The route that such a request takes at a gateway, None where none of the objects is for it.

    Only those that name the host most specifically are looked at: Istio doesn't fall back on a wildcard.
    """
    for group in most_specific((routes(one) for one in virtual_services if _is_of_gateway(one)), request):
        if found := first(group, request):
            return dataclasses.replace(found, cause=_left_alone(found, group, rollout))
    return None


def _is_of_gateway(virtual_service: Object) -> bool:
    """Whether it is for more than sidecars, which is what `mesh` stands for, the default."""
    return any(name != "mesh" for name in dig(virtual_service, "spec", "gateways") or ())


# -- why it may be left alone -----------------------------------------------------------------------------------------


def _left_alone(found: Route, group: Sequence[Route], rollout: Object) -> str:
    """Why the controller doesn't touch this route, so that a Rollout goes on without it; "" if it should.

    With the strategy blueGreen nothing is listed, and nothing has to be: Services are switched, not routes.
    """
    name, namespace = found.ref.name, found.ref.namespace
    entries = [one for one in listed_virtual_services(rollout) if (one.name, one.namespace) == (name, namespace)]
    if not entries:
        unlisted = f"the Rollout doesn't list {name} under spec.strategy.canary.trafficRouting.istio"
        return "" if strategy_of(rollout) == "blueGreen" else unlisted
    entry = entries[-1]
    if found.protocol == "tls":
        covered = any(_covers(one, found) for one in entry.tls_routes) if entry.tls_routes else found.position == 0
        others = "the Rollout's tlsRoutes name another port or other sniHosts; without any, only the first is weighted"
        return "" if covered else others
    http = [route for route in group if route.protocol == "http"]
    if found.name in managed_routes(rollout) or found in _weighted(http, entry.routes):
        return ""
    return (
        f"route names don't match: the VirtualService's is {found.name or 'unnamed'}, the Rollout lists "
        f"{', '.join(entry.routes) or 'none'}; the weights are then left alone while the Rollout goes on ({_ISSUES})"
    )


def _weighted(http: Sequence[Route], names: Sequence[str]) -> Sequence[Route]:
    """The routes that the controller weights: those listed; without a list the only one, or the first without a name.

    As argo-rollouts, rollout/trafficrouting/istio/istio.go, getHttpRouteIndexesToPatch has it.
    """
    if names:
        return [one for one in http if one.name in names]
    return http if len(http) == 1 else [one for one in http if not one.name][:1]


def _covers(entry: Object, found: Route) -> bool:
    """Both, and nothing else (argo-rollouts, rollout/trafficrouting/istio/istio.go, searchTlsRoute)."""
    ports = {match.port or 0 for match in found.matches}
    return ports == {entry.get("port", 0)} and set(found.hosts) == set(entry.get("sniHosts") or ())
