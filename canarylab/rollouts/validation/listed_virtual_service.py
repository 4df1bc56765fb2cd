"""A VirtualService that a Rollout lists, as Argo's controller reads it: which of its routes it weighs. Pure.

The rules are those of argo-rollouts, rollout/trafficrouting/istio/istio.go (v1.10.1), which knows a destination by less
than Istio does, and a route by its name, port or SNI hosts. As Istio reads it, it is read in canarylab/rollouts/routes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.traffic_routing import CANARY, ListedVirtualService, managed_routes
from canarylab.rollouts.validation.mistake import Mistake
from canarylab.yamlfile.problems import Place

STREAMS = ("tls", "tcp")
"""The protocols of routes that have no name."""


@dataclass(frozen=True)
class Target:
    """A destination of a route as it is written: its host, its subset or "", its weight or 0."""

    host: str
    subset: str
    weight: int

    def __str__(self) -> str:
        return f"subset {self.subset} of {self.host}" if self.subset else self.host

    @property
    def name(self) -> str:
        """What Argo takes for the Service: the host up to the first period; "" where it begins with one (getHost)."""
        return self.host.partition(".")[0]


@dataclass(frozen=True)
class ListedRoute:
    """A route that Argo weighs. `chosen` is where the Rollout chooses it, or lists its VirtualService."""

    protocol: str
    index: int
    spec: Any
    chosen: Place
    is_chosen: bool
    """Whether the Rollout names it; without that Argo weighs the only one."""

    def __str__(self) -> str:
        name = dig(self.spec, "name")
        return f"{self.protocol} route {name}" if name else f"{self.protocol}[{self.index}]"

    @property
    def place(self) -> Place:
        """Where in the VirtualService it stands."""
        return ("spec", self.protocol, self.index)


@dataclass(frozen=True)
class Listed:
    """The Rollout, what it says of a VirtualService, and that; `file` is None where only the cluster has it."""

    rollout: Object
    entry: ListedVirtualService
    found: Object
    file: Path | None

    def of(self, protocol: str) -> Sequence[Any]:
        """Its routes of http, tls or tcp."""
        return listed(self.found, "spec", protocol)

    def chosen(self, protocol: str) -> Sequence[Any]:
        """What the Rollout says to choose routes of tls or tcp by."""
        return self.entry.tls_routes if protocol == "tls" else self.entry.tcp_routes

    def own(self) -> list[tuple[int, Any]]:
        """The routes of http that no step of the Rollout makes, each with its position."""
        managed = managed_routes(self.rollout)
        return [(index, route) for index, route in enumerate(self.of("http")) if dig(route, "name") not in managed]

    def at(self, place: Place, found: Mistake) -> Mistake:
        """The mistake, told of a place in the VirtualService where that stands in a file, else as it is."""
        return dataclasses.replace(found, place=place, inside=(self.file, self.found)) if self.file else found

    def may_be_an_experiment(self) -> bool:
        """Whether what is in the cluster may be so for the time of an experiment, which Argo gives a share, too."""
        return self.file is None and has_experiment(self.rollout)


def has_experiment(rollout: Object) -> bool:
    """Whether a step of the canary starts one."""
    return any(dig(step, "experiment") is not None for step in listed(rollout, *CANARY, "steps"))


def weighed(this: Listed) -> Iterator[ListedRoute]:
    """The routes that Argo weighs, as far as they are there and it can choose (get...RouteIndexesToPatch)."""
    entry, http = this.entry, this.of("http")
    for position, name in enumerate(entry.routes):
        found = next((index for index, route in enumerate(http) if dig(route, "name") == name), None)
        if found is not None:
            yield ListedRoute("http", found, http[found], (*entry.place, "routes", position), is_chosen=True)
    if not entry.routes and len(own := this.own()) == 1:
        yield ListedRoute("http", *own[0], entry.place, is_chosen=False)
    for protocol in STREAMS:
        there, wanted = this.of(protocol), this.chosen(protocol)
        for position, one in enumerate(wanted):
            place = (*entry.place, f"{protocol}Routes", position)
            for index, route in enumerate(there):
                if covers(one, route):
                    yield ListedRoute(protocol, index, route, place, is_chosen=True)
        if not wanted and len(there) == 1:
            yield ListedRoute(protocol, 0, there[0], entry.place, is_chosen=False)


def targets(route: Any) -> list[Target]:
    """The destinations of a route, in order."""
    return [
        Target(
            str(dig(one, "destination", "host") or ""),
            str(dig(one, "destination", "subset") or ""),
            dig(one, "weight") or 0,
        )
        for one in listed(route, "route")
    ]


def covers(wanted: Any, route: Any) -> bool:
    """Whether an entry of tlsRoutes or tcpRoutes chooses a route: never one with several ports (searchTlsRoute)."""
    names = server_names(route)
    asked = [str(name) for name in listed(wanted, "sniHosts")]
    return ports(route) == {dig(wanted, "port") or 0} and len(asked) == len(names) and names <= set(asked)


def ports(route: Any) -> set[int]:
    """The ports of its matches, 0 for none."""
    return {dig(match, "port") or 0 for match in listed(route, "match")} or {0}


def server_names(route: Any) -> set[str]:
    """The SNI hosts of its matches."""
    return {str(name) for match in listed(route, "match") for name in listed(match, "sniHosts")}
