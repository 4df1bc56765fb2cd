"""A route in the form that all formats are read into: to which Services such requests go, in which shares. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from canarylab.rollouts.routes.match import Match, Request, host_rank
from canarylab.rollouts.routes.seen import Seen, Shares, joined

ALL = 100
"""Percent."""


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


def service_of(host: str) -> tuple[str, str]:
    """Name and namespace of the Service that a host such as `app`, `app.shop` or `app.shop.svc.cluster.local` means."""
    name, _, rest = host.partition(".")
    return name, rest.partition(".")[0]


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
    ref: ObjectRef = NO_OBJECT
    protocol: str = "http"
    """http, tls or tcp."""
    name: str = ""
    position: int = 0
    hosts: Sequence[str] = ()
    """Of which it is for any, as `host_rank` reads them."""
    matches: Sequence[Match] = ()
    """Of which any has to hold; none: it is for every request."""

    def __str__(self) -> str:
        words = ", ".join(map(str, self.destinations)) or "no destination"
        return words + "".join(f", mirrored to {mirror}" for mirror in self.mirrors)

    def is_for(self, request: Request) -> bool:
        """Whether its matches hold, the hosts aside."""
        return not self.matches or any(match.holds(request) for match in self.matches)

    def host_rank(self, request: Request) -> int:
        """How specifically it names the request's host; 0 where it doesn't, or isn't for such a protocol."""
        if self.protocol != request.protocol:
            return 0
        return max((host_rank(host, request.host) for host in self.hosts), default=0)

    def seen(self, shares: Callable[[Destination], Shares]) -> Seen:
        """What it says of a request, given which revisions stand behind a destination."""
        # Of what gets nothing it doesn't matter what stands behind it.
        destined, mirrored = (
            joined((each.percent, shares(each)) for each in part if each.percent)
            for part in (self.destinations, self.mirrors)
        )
        return Seen(self.where, str(self), destined, mirrored, self.cause)


def most_specific(groups: Iterable[Sequence[Route]], request: Request) -> list[Sequence[Route]]:
    """Of routes that belong together, as those of an object do, the groups that name the host most specifically."""
    ranked = [(max((route.host_rank(request) for route in group), default=0), group) for group in groups]
    best = max((rank for rank, _ in ranked), default=0)
    return [group for rank, group in ranked if rank == best > 0]


def first(routes: Iterable[Route], request: Request) -> Route | None:
    """The first that such a request takes."""
    return next((route for route in routes if route.protocol == request.protocol and route.is_for(request)), None)
