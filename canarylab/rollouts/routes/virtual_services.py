"""Istio's VirtualServices: their routes, which of them a request takes, and why Argo may have left it alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.routes.match import Condition, Match
from canarylab.rollouts.routes.route import (
    ALL,
    Destination,
    ObjectRef,
    Route,
    service_of,
    weighed,
)
from canarylab.rollouts.strategy import strategy_of
from canarylab.rollouts.traffic_routing import listed_virtual_services, managed_routes

API_VERSION = "networking.istio.io/v1"
KIND = "VirtualService"

_ISSUES = "argoproj/argo-rollouts#4741, #3884"
MESH = "mesh"
"""Among the names of gateways, all sidecars."""

_PARTS = {"uri": "path", "method": "method", "authority": "host", "scheme": "scheme"}
_NAMED = {"headers": "header", "withoutHeaders": "header", "queryParams": "query"}
_NO_CONDITIONS = (
    "name",
    "ignoreUriCase",
    "port",
    "gateways",
    "sourceLabels",
    "sourceNamespace",
    "statPrefix",
    "sniHosts",
)
_CLAIM = "@request.auth.claims"
"""Istio's name for what a token says, in place of a header's."""
_ANSWERS = {"redirect": "a redirect", "directResponse": "an answer of its own"}


class Located(NamedTuple):
    """A route as it is written, and where: `obj` is the VirtualService, `position` its place in the list."""

    obj: Object
    protocol: str
    position: int
    written: Any
    mirrors_of: str = ""
    """The namespace of its mirrors' short names, where that isn't the object's."""


def routes(virtual_service: Object) -> list[Route]:
    """All of it, those of http before those of tls and tcp; what it delegates has no destination here."""
    return [route_of(one) for protocol in ("http", "tls", "tcp") for one in _located(virtual_service, protocol)]


def http_routes(virtual_service: Object) -> Iterator[Located]:
    """Those of http as they are written."""
    return _located(virtual_service, "http")


def _located(virtual_service: Object, protocol: str) -> Iterator[Located]:
    for position, written in enumerate(listed(virtual_service, "spec", protocol)):
        yield Located(virtual_service, protocol, position, written)


def route_of(located: Located) -> Route:
    """In the form that all formats are read into."""
    obj, protocol, position, found, mirrors_of = located
    meta, name = dig(obj, "metadata"), dig(found, "name") or ""
    namespace = dig(meta, "namespace") or ""
    matches = tuple(_match(each, protocol, namespace) for each in listed(found, "match"))
    names = [name for match in matches for name in match.server_names or ()]
    label = ", ".join(names) if protocol == "tls" else ""
    answer = next((words for key, words in _ANSWERS.items() if dig(found, key)), "")
    return Route(
        where=f"{dig(meta, 'name')}, {protocol} route {name or label or f'number {position + 1}'}",
        destinations=() if answer else _destinations(listed(found, "route"), namespace),
        mirrors=() if answer else tuple(_mirrors(found, mirrors_of or namespace)),
        ref=ObjectRef(API_VERSION, KIND, dig(meta, "name"), dig(meta, "namespace")),
        protocol=protocol,
        answer=answer,
        aborted=float(dig(found, "fault", "abort", "percentage", "value") or 0),
        name=name,
        position=position,
        hosts=names if protocol == "tls" else [str(host) for host in listed(obj, "spec", "hosts")],
        matches=matches,
    )


def is_exported(virtual_service: Object, namespace: str) -> bool:
    """Whether another namespace sees it: https://istio.io/latest/docs/reference/config/networking/virtual-service/."""
    to = listed(virtual_service, "spec", "exportTo") or ("*",)
    own = dig(virtual_service, "metadata", "namespace")
    return "*" in to or ("~" not in to and namespace in (own if one == "." else one for one in to))


def _match(match: Any, protocol: str, namespace: str) -> Match:
    return Match(
        tuple(_conditions(match)),
        tuple(map(str, listed(match, "sniHosts"))) if protocol == "tls" else None,
        dig(match, "port"),
        tuple(gateway_name(str(name), namespace) for name in listed(match, "gateways")),
        dig(match, "sourceLabels") or {},
        dig(match, "sourceNamespace") or "",
    )


def gateway_name(written: str, namespace: str) -> str:
    """Namespace/name of a Gateway (istio, pilot/pkg/model/context.go, resolveGatewayName)."""
    where, slash, name = written.partition("/")
    if slash:
        return f"{namespace if where == '.' else where}/{name}"
    name, period, rest = written.partition(".")
    return written if written == MESH else f"{rest.partition('.')[0] if period else namespace}/{name}"


def _conditions(match: Any) -> Iterator[Condition]:
    for key, wanted in match.items() if isinstance(match, Mapping) else ():
        if key in _NAMED:
            for name, text in wanted.items():
                if not (key == "withoutHeaders" and name.startswith(_CLAIM)):  # without a token it holds of any request
                    yield _condition(_NAMED[key], text, name, negated=key == "withoutHeaders")
        elif key in _PARTS:
            yield _condition(_PARTS[key], wanted, ignore_case=key == "uri" and bool(match.get("ignoreUriCase")))
        elif key not in _NO_CONDITIONS:
            yield Condition(key, "unknown")


def _condition(
    part: str, wanted: Mapping[str, str] | None, name: str = "", *, negated: bool = False, ignore_case: bool = False
) -> Condition:
    """A StringMatch; an empty one, and the regex `*`, ask only that there is a value (canBeConvertedToPresentMatch)."""
    (kind, text), *_ = [*(wanted or {}).items(), ("present", "")]
    if name.startswith(_CLAIM):
        return Condition(name, "unknown")
    if (kind, text) in (("regex", "*"), ("present", "")):
        return Condition(part, "present", "", name, negated)
    return Condition(part, kind, text, name, negated, "" if negated else None, ignore_case)


def _destinations(found: Sequence[Any], namespace: str) -> tuple[Destination, ...]:
    """Weights are parts of their sum. One alone takes everything whatever it says, one of several without nothing."""
    alone = len(found) == 1
    return weighed([(_destination(one, namespace), 1 if alone else dig(one, "weight") or 0) for one in found])


def _destination(found: Any, namespace: str, percent: float = ALL) -> Destination:
    to = dig(found, "destination")
    service, where = service_of(str(dig(to, "host") or ""), namespace)
    return Destination(service, percent, dig(to, "subset") or "", where, dig(found, "weight"))


def target(found: Any) -> tuple[str, str]:
    """Service and subset of a destination as it is written."""
    to = _destination(found, "")
    return to.service, to.subset


def _mirrors(found: Any, namespace: str) -> Iterator[Destination]:
    """The list `mirrors`, and `mirror`: all by default, none of a percentage that has no value."""
    alone = {"destination": dig(found, "mirror"), "percentage": _mirror_percentage(found)}
    for each in (*listed(found, "mirrors"), *([alone] if alone["destination"] else ())):
        percentage = dig(each, "percentage")
        yield _destination(each, namespace, ALL if percentage is None else percentage.get("value", 0))


def _mirror_percentage(found: Any) -> Mapping[str, float] | None:
    """That of `mirror`, also by the names that it had before (istio, core/route/route.go, MirrorPercent)."""
    if (percentage := dig(found, "mirrorPercentage")) is not None:
        return dict(percentage)
    older = [value for key in ("mirrorPercent", "mirror_percent") if (value := dig(found, key)) is not None]
    return {"value": older[0]} if older else None


# -- why it may be left alone -----------------------------------------------------------------------------------------


def left_alone(found: Route, virtual_service: Object, rollout: Object) -> str:
    """Why the controller doesn't touch a route of the object, so that a Rollout goes on without it; "" if it should.

    With the strategy blueGreen nothing is listed, and nothing has to be: Services are switched, not routes.
    """
    name, namespace = found.ref.name, found.ref.namespace
    entries = [one for one in listed_virtual_services(rollout) if (one.name, one.namespace) == (name, namespace)]
    if not entries:
        unlisted = f"the Rollout doesn't list {name} under spec.strategy.canary.trafficRouting.istio"
        return "" if strategy_of(rollout) == "blueGreen" else unlisted
    entry = entries[-1]
    there = [route for route in routes(virtual_service) if route.protocol == found.protocol]
    whole = next(route for route in there if route.position == found.position)
    if found.protocol == "tls":
        covered = any(_covers(one, whole) for one in entry.tls_routes) if entry.tls_routes else found.position == 0
        others = "the Rollout's tlsRoutes name another port or other sniHosts; without any, only the first is weighted"
        return "" if covered else others
    if found.name in managed_routes(rollout) or whole in _weighted(there, entry.routes):
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
