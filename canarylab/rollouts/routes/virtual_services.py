"""Istio's VirtualServices: the route that a request takes, and why Argo Rollouts may have left it alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canarylab.kube.objects import Object, dig
from canarylab.rollouts.routes.route import Asked, Destination, Route, host_rank, text_matches

API_VERSION = "networking.istio.io/v1"
KIND = "VirtualService"

_ISSUES = "argoproj/argo-rollouts#4741, #3884"
_ALL = 100


def route(virtual_services: Iterable[Object], rollout: Object, asked: Asked) -> Route | None:
    """The route that such a request takes at a gateway, None where none of the objects is for it.

    Only those that name the host most specifically are looked at: Istio doesn't fall back on a wildcard.
    """
    ranked = [(_rank(one, asked), one) for one in virtual_services if _is_of_gateway(one)]
    best = max((rank for rank, _ in ranked), default=0)
    found = (_in(one, rollout, asked) for rank, one in ranked if rank == best > 0)
    return next(filter(None, found), None)


def _is_of_gateway(virtual_service: Object) -> bool:
    """Whether it is for more than sidecars, which is what `mesh` stands for, the default."""
    return any(name != "mesh" for name in dig(virtual_service, "spec", "gateways") or ())


def _rank(virtual_service: Object, asked: Asked) -> int:
    """How specifically it names the host; 0 also where it has no routes of that protocol."""
    if asked.tls:
        matches = (match for one in dig(virtual_service, "spec", "tls") or () for match in one.get("match") or ())
        hosts = [sni for match in matches for sni in match.get("sniHosts") or ()]
    else:
        hosts = dig(virtual_service, "spec", "hosts") if dig(virtual_service, "spec", "http") else []
    return max((host_rank(host, asked.host) for host in hosts), default=0)


def _in(virtual_service: Object, rollout: Object, asked: Asked) -> Route | None:
    """The first route that the request matches, as Istio takes them."""
    name, protocol = virtual_service["metadata"]["name"], "tls" if asked.tls else "http"
    found = dig(virtual_service, "spec", protocol) or ()
    for position, one in enumerate(found):
        if not _matches(one.get("match") or (), asked):
            continue
        if asked.tls:
            hosts = (host for match in one.get("match") or () for host in match.get("sniHosts") or ())
            label, cause = ", ".join(hosts), _tls_left_alone(name, one, position, rollout)
        else:
            label, cause = one.get("name") or f"number {position + 1}", _http_left_alone(name, one, found, rollout)
        return Route(f"{name}, {protocol} route {label}", _destinations(one.get("route") or ()), _mirrors(one), cause)
    return None


def _matches(matches: Sequence[Object], asked: Asked) -> bool:
    if asked.tls:
        return any(_tls_match(match, asked) for match in matches)
    return not matches or any(_http_match(match, asked) for match in matches)


def _tls_match(match: Object, asked: Asked) -> bool:
    on_port = match.get("port") in (None, asked.port)
    return on_port and any(host_rank(sni, asked.host) for sni in match.get("sniHosts") or ())


def _http_match(match: Object, asked: Asked) -> bool:
    """Every condition of a match must hold; one that isn't known here doesn't."""
    return all(_holds(key, wanted, asked) for key, wanted in match.items())


def _holds(key: str, wanted: Any, asked: Asked) -> bool:
    match key:
        case "headers":
            return all(_text(value, asked.headers.get(name.lower())) for name, value in wanted.items())
        case "withoutHeaders":
            return not any(_text(value, asked.headers.get(name.lower())) for name, value in wanted.items())
        case "uri" | "method":
            return _text(wanted, asked.path if key == "uri" else "GET")
        case "port":
            return bool(wanted == asked.port)
    return key == "name"


def _text(wanted: Mapping[str, str], found: str | None) -> bool:
    """A StringMatch; an empty one asks only that there is a value."""
    return found is not None if not wanted else all(text_matches(kind, text, found) for kind, text in wanted.items())


def _destinations(found: Sequence[Object]) -> tuple[Destination, ...]:
    """Weights are parts of their sum. One alone takes everything whatever it says, one of several without nothing."""
    weights = [1] if len(found) == 1 else [one.get("weight", 0) for one in found]
    whole = sum(weights) or 1
    return tuple(
        _destination(one["destination"], _ALL * weight / whole) for one, weight in zip(found, weights, strict=True)
    )


def _destination(found: Object, percent: float) -> Destination:
    return Destination(found["host"].partition(".")[0], percent, found.get("subset", ""))


def _mirrors(found: Object) -> tuple[Destination, ...]:
    """`mirror` with its percentage, which is all by default, and the list `mirrors`."""
    listed: list[tuple[Object, Any]] = [
        (one["destination"], one.get("percentage")) for one in found.get("mirrors") or ()
    ]
    if found.get("mirror"):
        listed.append((found["mirror"], found.get("mirrorPercentage")))
    return tuple(_destination(to, (share or {}).get("value", _ALL)) for to, share in listed)


# -- why it may be left alone -----------------------------------------------------------------------------------------


def _http_left_alone(name: str, found: Object, all_of_them: Sequence[Object], rollout: Object) -> str:
    """Why the controller doesn't touch this route, so that a Rollout goes on without it; "" if it should."""
    listed = _listed(rollout).get(name)
    if listed is None:
        return _unlisted(name, rollout)
    names = listed.get("routes") or ()
    if found.get("name") in _managed(rollout):
        return ""
    if any(one is found for one in _weighted(all_of_them, names)):
        return ""
    return (
        f"route names don't match: the VirtualService's is {found.get('name') or 'unnamed'}, the Rollout lists "
        f"{', '.join(names) or 'none'}; the weights are then left alone while the Rollout goes on ({_ISSUES})"
    )


def _weighted(http: Sequence[Object], names: Sequence[str]) -> Sequence[Object]:
    """The routes that the controller weights: those listed; without a list the only one, or the first without a name.

    As argo-rollouts, rollout/trafficrouting/istio/istio.go, getHttpRouteIndexesToPatch has it.
    """
    if names:
        return [one for one in http if one.get("name") in names]
    return http if len(http) == 1 else [one for one in http if not one.get("name")][:1]


def _tls_left_alone(name: str, found: Object, position: int, rollout: Object) -> str:
    listed = _listed(rollout).get(name)
    if listed is None:
        return _unlisted(name, rollout)
    tls_routes = listed.get("tlsRoutes") or ()
    covered = any(_covers(one, found) for one in tls_routes) if tls_routes else position == 0
    if covered:
        return ""
    return "the Rollout's tlsRoutes name another port or other sniHosts; without any, only the first is weighted"


def _covers(listed: Object, found: Object) -> bool:
    """Both, and nothing else (argo-rollouts, rollout/trafficrouting/istio/istio.go, searchTlsRoute)."""
    matches = found.get("match") or ()
    ports = {match.get("port", 0) for match in matches}
    hosts = {host for match in matches for host in match.get("sniHosts") or ()}
    return ports == {listed.get("port", 0)} and hosts == set(listed.get("sniHosts") or ())


def _listed(rollout: Object) -> dict[str, Object]:
    istio = dig(rollout, "spec", "strategy", "canary", "trafficRouting", "istio") or {}
    single = [istio["virtualService"]] if istio.get("virtualService") else []
    return {one["name"].rpartition("/")[2]: one for one in [*(istio.get("virtualServices") or ()), *single]}


def _managed(rollout: Object) -> set[str]:
    """The routes that the controller makes itself, for headers and mirrors."""
    found = dig(rollout, "spec", "strategy", "canary", "trafficRouting", "managedRoutes") or ()
    return {one["name"] for one in found}


def _unlisted(name: str, rollout: Object) -> str:
    """With the strategy blueGreen nothing is listed, and nothing has to be: Services are switched, not routes."""
    if dig(rollout, "spec", "strategy", "blueGreen") is not None:
        return ""
    return f"the Rollout doesn't list {name} under spec.strategy.canary.trafficRouting.istio"
