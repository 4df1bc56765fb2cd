"""A route in the form that all formats are read into: to which Services such requests go, in which shares. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from canarylab.rollouts.routes.layer_view import LayerView, Shares, joined
from canarylab.rollouts.routes.match import Match, Request, host_rank

T = TypeVar("T")

ALL = 100
"""Percent."""


TO_HTTPS = "a redirect to HTTPS"
"""What a gateway answers plain requests by that it doesn't take."""


class ObjectRef(NamedTuple):
    """An object by which traffic is routed, in the order of the arguments of `Cluster.get`."""

    api_version: str
    kind: str
    name: str
    namespace: str | None


NO_OBJECT = ObjectRef("", "", "", None)
"""Of a route that isn't an object's."""


@dataclass(frozen=True)
class Destination:
    """A Service, or a subset of its pods that a DestinationRule names, and its share in percent."""

    service: str
    percent: float = ALL
    subset: str = ""
    namespace: str = ""
    """As the host says it; "" where it doesn't: that of the object."""
    weight: int | None = None
    """As it is written."""
    cluster: str = ""
    """What Envoy calls it; "" where it isn't Envoy's."""

    def __str__(self) -> str:
        name = f"{self.service}/{self.subset}" if self.subset else self.service
        return f"{name} {self.percent:g}"


def service_of(host: str, namespace: str = "") -> tuple[str, str]:
    """Name and namespace of the Service that a host such as `app` or `app.shop.svc.cluster.local` means.

    A name without a period is one of the object's own namespace. Any other is taken as it is, and is of no namespace
    unless it is a Service's full name (istio, pilot/pkg/model/service.go, ResolveShortnameToFQDN).
    """
    name, period, rest = host.partition(".")
    where, _, kind = rest.partition(".")
    if not period:
        return name, namespace
    return (name, where) if kind.partition(".")[0] == "svc" else (host, "")


def weighed(destinations: Sequence[tuple[Destination, float]]) -> tuple[Destination, ...]:
    """Each with its weight in percent of their sum."""
    whole = sum(weight for _, weight in destinations) or 1
    return tuple(replace(to, percent=ALL * weight / whole) for to, weight in destinations)


@dataclass(frozen=True)
class Route:
    """`where` names the object and the route in it; `mirrors` get copies and nobody sees their answers."""

    where: str
    destinations: Sequence[Destination]
    mirrors: Sequence[Destination] = ()
    cause: str = ""
    """Why Argo Rollouts may leave it alone; "" where it shouldn't."""
    remedy: str = ""
    """What to ask in its place, where the gateway answers by itself."""
    ref: ObjectRef = NO_OBJECT
    protocol: str = "http"
    """http, tls or tcp."""
    answer: str = ""
    """What is answered by the gateway itself, such as a redirect; "" where the request is passed on."""
    aborted: float = 0
    """Percent of the requests that the gateway answers with an error, on purpose (`fault.abort`)."""
    name: str = ""
    position: int = 0
    hosts: Sequence[str] = ()
    """Of which it is for any, as `host_rank` reads them."""
    matches: Sequence[Match] = ()
    """Of which any has to hold; none: it is for every request."""

    def __str__(self) -> str:
        words = self.answer or ", ".join(map(str, self.destinations)) or "no destination"
        words += f", {self.aborted:g} % of it aborted by the route's fault" if self.aborted else ""
        return words + "".join(f", mirrored to {mirror}" for mirror in self.mirrors)

    def is_for(self, request: Request) -> bool:
        """Whether its matches hold, the hosts aside."""
        return not self.matches or any(match.holds(request) for match in self.matches)

    def instead(self, request: Request) -> str:
        """What to ask in place of such a request, which the gateway answers by itself."""
        if self.answer == TO_HTTPS:
            return f"ask over HTTPS: list {request.host} under `tls`, with the port of the HTTPS server as `tls-port`"
        return "ask for something that a route leads to the application, by the step's `path` or `headers`"

    @property
    def is_catch_all(self) -> bool:
        """Whether it is for every request."""
        return not self.matches or any(match.is_catch_all for match in self.matches)

    def seen(self, shares: Callable[[Destination], Shares]) -> LayerView:
        """What it says of a request, given which revisions stand behind a destination."""
        # Of what gets nothing it doesn't matter what stands behind it.
        destined, mirrored = (
            joined((each.percent, shares(each)) for each in part if each.percent)
            for part in (self.destinations, self.mirrors)
        )
        return LayerView(self.where, str(self), destined, mirrored, self.cause, self.remedy)


def first(routes: Iterable[Route], request: Request) -> Route | None:
    """The first that such a request takes."""
    return next((route for route in routes if route.is_for(request)), None)


def under(host: str, named: Iterable[tuple[str, T]]) -> T | None:
    """What stands under the name that is the most specific of those that a host has; the first of equals."""
    ranked = [(host_rank(name, host), what) for name, what in named]
    best = max(ranked, key=lambda each: each[0], default=(0, None))
    return best[1] if best[0] else None
