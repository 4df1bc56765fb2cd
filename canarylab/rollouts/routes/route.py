"""A route, of whichever kind of object: to which Services such requests go, in which shares. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from canarylab.rollouts.routes.backends import Backends
from canarylab.rollouts.routes.seen import Seen, Shares, joined


@dataclass(frozen=True)
class Asked:
    """A GET request as routes look at it: the path without its query, `headers` with lower-case names."""

    host: str
    path: str
    headers: Mapping[str, str]
    tls: bool
    port: int


@dataclass(frozen=True)
class Destination:
    """A Service, or a subset of its pods that a DestinationRule names, and its share in percent."""

    service: str
    percent: float
    subset: str = ""

    def __str__(self) -> str:
        name = f"{self.service}/{self.subset}" if self.subset else self.service
        return f"{name} {self.percent:g}"

    def shares(self, backends: Backends) -> Shares:
        if self.subset:
            return backends.of_subset(self.service, self.subset)
        return backends.of_service(self.service)


@dataclass(frozen=True)
class Route:
    """`where` names the object and the route in it; `mirrors` get copies and nobody sees their answers."""

    where: str
    destinations: Sequence[Destination]
    mirrors: Sequence[Destination] = ()
    cause: str = ""
    """Why Argo Rollouts may leave it alone; "" where it shouldn't."""

    def seen(self, backends: Backends) -> Seen:
        words = ", ".join(map(str, self.destinations)) or "no destination"
        words += "".join(f", mirrored to {mirror}" for mirror in self.mirrors)
        return Seen(
            self.where, words, _shares(self.destinations, backends), _shares(self.mirrors, backends), self.cause
        )


def _shares(destinations: Sequence[Destination], backends: Backends) -> Shares:
    """Of what gets nothing it doesn't matter what stands behind it."""
    return joined((each.percent, each.shares(backends)) for each in destinations if each.percent)


def host_rank(pattern: str, host: str) -> int:
    """How specifically a pattern names a host, 0 where it doesn't: exact before long wildcards before `*`.

    `*.example.com` stands for all names below it (https://istio.io/latest/docs/reference/config/networking/gateway/).
    """
    pattern, host = pattern.lower(), host.lower()
    if pattern == host:
        return len(host) + 2
    if pattern.startswith("*") and host.endswith(pattern[1:]) and len(host) >= len(pattern):
        return len(pattern)
    return 0


def _is_below(folder: str, path: str) -> bool:
    """By whole elements: `/a` stands for `/a` and `/a/b`, not for `/ab`."""
    folder = folder.removesuffix("/")
    return path == folder or path.startswith(f"{folder}/")


_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "exact": lambda wanted, found: found == wanted,
    "prefix": lambda wanted, found: found.startswith(wanted),
    "path prefix": _is_below,
    "suffix": lambda wanted, found: found.endswith(wanted),
    "contains": lambda wanted, found: wanted in found,
    "regex": lambda wanted, found: re.fullmatch(wanted, found) is not None,
}


def text_matches(kind: str, wanted: str, found: str | None) -> bool:
    """Whether a text is as a match of that kind wants it.

    A kind that isn't known here matches nothing, nor does what only RE2, Envoy's regular expressions, can read.
    """
    if found is None or kind not in _TEXT:
        return False
    try:
        return _TEXT[kind](wanted, found)
    except re.error:
        return False
