"""iproute2: addresses and routes of this host, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from canarylab.tools.runner import Runner

_TIMEOUT = 10.0


def query(runner: Runner, *words: str, ok: Sequence[int] = (0,)) -> list[dict[str, Any]]:
    """What `ip -j` prints, which is nothing at all for an empty list; [] where it ends with another code of `ok`."""
    result = runner.run(["ip", "-j", *words], timeout=_TIMEOUT, ok=ok)
    return list(json.loads(result.stdout)) if result.code == 0 and result.stdout.strip() else []


def routed(runner: Runner) -> list[str]:
    """Every destination that some routing table of this host knows, the default route left out."""
    routes = query(runner, "-4", "route", "show", "table", "all")
    return [route["dst"] for route in routes if route.get("dst") not in (None, "default")]


def route_to(runner: Runner, address: str) -> dict[str, Any] | None:
    """The route that a packet to `address` would take now, None where there is none."""
    return next(iter(query(runner, "route", "get", address, ok=(0, 1, 2))), None)


def addresses(runner: Runner, link: str) -> list[str]:
    """The IPv4 addresses of a link."""
    links = query(runner, "-4", "addr", "show", "dev", link)
    return [info["local"] for entry in links for info in entry.get("addr_info", [])]
