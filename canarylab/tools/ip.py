"""iproute2: addresses and routes of this host, as JSON."""

from __future__ import annotations

import json
from typing import Any

from canarylab.tools.runner import Runner

_TIMEOUT = 10.0


def parse(output: str) -> list[dict[str, Any]]:
    """`ip -j` prints nothing at all for an empty list."""
    return list(json.loads(output)) if output.strip() else []


def routed(runner: Runner) -> list[str]:
    """Every destination that some routing table of this host knows, the default route left out."""
    output = runner.run(["ip", "-j", "-4", "route", "show", "table", "all"], timeout=_TIMEOUT).stdout
    return [route["dst"] for route in parse(output) if route.get("dst") not in (None, "default")]


def route_to(runner: Runner, address: str) -> dict[str, Any] | None:
    """The route that a packet to `address` would take now, None where there is none."""
    result = runner.run(["ip", "-j", "route", "get", address], timeout=_TIMEOUT, ok=(0, 1, 2))
    return next(iter(parse(result.stdout)), None) if result.code == 0 else None


def addresses(runner: Runner, link: str) -> list[str]:
    """The IPv4 addresses of a link."""
    output = runner.run(["ip", "-j", "-4", "addr", "show", "dev", link], timeout=_TIMEOUT).stdout
    return [info["local"] for entry in parse(output) for info in entry.get("addr_info", [])]
