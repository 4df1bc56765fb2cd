"""What a route asks of a request, and whether a request is so. Pure.

Each reader of routes translates its format's conditions into these; each part of a request is found by `_FOUND`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """A GET request as routes look at it: the path without its query, `headers` with lower-case names.

    `port` is the gateway's Service's; `tls` says whether the client speaks TLS, wherever that ends.
    """

    host: str
    path: str
    headers: Mapping[str, str]
    tls: bool
    port: int
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def scheme(self) -> str:
        """http or https."""
        return "https" if self.tls else "http"


@dataclass(frozen=True)
class Condition:
    """Of a `part` of the request, a text in the way that `kind` says; `name` is a header's.

    A part or kind that isn't known here holds of no request, whether negated or not.
    """

    part: str
    kind: str = "exact"
    wanted: str = ""
    name: str = ""
    negated: bool = False
    absent_as: str | None = None
    """What a header counts as that isn't there."""
    ignore_case: bool = False
    """Regular expressions aside."""

    @property
    def is_known(self) -> bool:
        """Whether it can be judged for a request from outside: a claim of its token can't, say."""
        return self.part in _FOUND and self.kind in _TEXT

    def holds(self, request: Request) -> bool:
        """Whether the request meets the condition."""
        if not self.is_known:
            return False
        wanted, found = self.wanted, _FOUND[self.part](self, request)
        if self.ignore_case and self.kind != "regex":
            wanted, found = wanted.lower(), found and found.lower()
        return text_matches(self.kind, wanted, found) is not self.negated


@dataclass(frozen=True)
class Proxy:
    """A gateway as istiod looks at it: namespace, labels and addresses of its pods, and its Service's target ports."""

    namespace: str
    labels: Mapping[str, str]
    target_ports: Mapping[int, int] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Match:
    """Holds of a request if every condition does. `server_names`: any one of them, by the SNI; None: it isn't asked.

    The rest says at which gateways it is: `gateways` by namespace/name, or else by what their pods are (`labels`,
    `namespace`). Empty: at all.
    """

    conditions: tuple[Condition, ...] = ()
    server_names: tuple[str, ...] | None = None
    port: int | None = None
    gateways: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""

    def holds(self, request: Request) -> bool:
        """Whether the request meets all of it, at a gateway where it is."""
        named = self.server_names is None or any(host_rank(name, request.host) for name in self.server_names)
        return named and all(each.holds(request) for each in self.conditions)

    def is_at(self, gateway: str, port: int, proxy: Proxy) -> bool:
        """Whether it is for what a Gateway opens at a port (istio, core/route/route.go, sourceMatchHTTP)."""
        if self.port not in (None, port):
            return False
        if self.gateways:
            return gateway in self.gateways
        return self.labels.items() <= proxy.labels.items() and self.namespace in ("", proxy.namespace)

    @property
    def is_catch_all(self) -> bool:
        """Whether any request meets it: istiod asks such routes last (core/route/route.go, IsCatchAllRoute)."""
        return all(each.part == "path" and (each.kind, each.wanted) in _ANY_PATH for each in self.conditions)


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


_ANY_PATH = {("prefix", "/"), ("regex", ".*")}

_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "exact": lambda wanted, found: found == wanted,
    "prefix": lambda wanted, found: found.startswith(wanted),
    "path prefix": _is_below,
    "suffix": lambda wanted, found: found.endswith(wanted),
    "contains": lambda wanted, found: wanted in found,
    "regex": lambda wanted, found: re.fullmatch(wanted, found) is not None,
    "present": lambda _wanted, _found: True,
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


_FOUND: Mapping[str, Callable[[Condition, Request], str | None]] = {
    "header": lambda condition, request: request.headers.get(condition.name.lower(), condition.absent_as),
    "query": lambda condition, request: request.query.get(condition.name),
    "path": lambda _, request: request.path,
    "host": lambda _, request: request.host,
    "scheme": lambda _, request: request.scheme,
    "method": lambda _, _asked: "GET",
}
"""By part of a request, what it has there."""
