"""The fallback for the tunnel: a port of the virtual machine itself for each port of a LoadBalancer Service."""

from __future__ import annotations

from typing import Any

_SHOWN = 80
"""The port that is shown of a Service that has several."""


def node_port(service: dict[str, Any], port: int) -> int | None:
    """The machine's port for this port of the Service; None where Kubernetes gave it none."""
    return next(
        (int(each["nodePort"]) for each in _ports(service) if each["port"] == port and "nodePort" in each), None
    )


def shown(service: dict[str, Any], address: str) -> str:
    """`ADDRESS:PORT` for people, "pending" where there is no port yet."""
    ports = [each["port"] for each in _ports(service) if "nodePort" in each]
    port = node_port(service, _SHOWN if _SHOWN in ports or not ports else ports[0])
    return f"{address}:{port}" if port else "pending"


def _ports(service: dict[str, Any]) -> list[dict[str, Any]]:
    return list(service["spec"].get("ports", []))
