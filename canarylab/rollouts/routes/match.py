"""What a route asks of a request, and whether a request is so. Pure.

Each reader of routes translates its format's conditions into these; each kind of condition is judged in `_JUDGES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """A GET request as routes look at it: the path without its query, `headers` with lower-case names."""

    host: str
    path: str
    headers: Mapping[str, str]
    tls: bool
    port: int

    @property
    def protocol(self) -> str:
        """Which of a VirtualService's lists of routes it goes by."""
        return "tls" if self.tls else "http"


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

    def holds(self, request: Request) -> bool:
        """Whether the request meets the condition."""
        judge = _JUDGES.get(self.part)
        return judge is not None and judge(self, request)


@dataclass(frozen=True)
class Match:
    """Holds of a request if every condition does. `server_names`: any one of them, by the SNI; None: it isn't asked."""

    conditions: tuple[Condition, ...] = ()
    server_names: tuple[str, ...] | None = None
    port: int | None = None

    def holds(self, request: Request) -> bool:
        """Whether the request meets all of it."""
        named = self.server_names is None or any(host_rank(name, request.host) for name in self.server_names)
        on_port = self.port in (None, request.port)
        return named and on_port and all(each.holds(request) for each in self.conditions)


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


def _text(found: Callable[[Condition, Request], str | None]) -> Callable[[Condition, Request], bool]:
    def judge(condition: Condition, request: Request) -> bool:
        holds = text_matches(condition.kind, condition.wanted, found(condition, request))
        return condition.kind in _TEXT and holds is not condition.negated

    return judge


_JUDGES: Mapping[str, Callable[[Condition, Request], bool]] = {
    "header": _text(lambda condition, request: request.headers.get(condition.name.lower(), condition.absent_as)),
    "path": _text(lambda _, request: request.path),
    "host": _text(lambda _, request: request.host),
    "method": _text(lambda _, _asked: "GET"),
}
