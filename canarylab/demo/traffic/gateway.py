"""Where the gateway listens, and the hosts that a step asks through it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from canarylab.contract.context import Context
from canarylab.contract.step import StepOptions
from canarylab.demo.traffic.client import PATH, Target
from canarylab.errors import ExpectationError
from canarylab.rollouts.revisions import HASH_LABEL
from canarylab.rollouts.routes.backends import pods_behind

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: ([!-~]([\t -~]*[!-~])?)?")
"""As RFC 9110, 5.5 and 5.6.2, in ASCII."""
_OWN_HEADERS = {"host", "connection", "content-length", "transfer-encoding"}


class Gateway(StepOptions):
    """The Service of type LoadBalancer that requests go to; by default that of Istio's gateway chart.

    It may be the application's own: then kube-proxy, not a gateway, chooses the pod, once for each connection.
    """

    namespace: str = Field(default="istio-ingress", description="namespace of the Service")
    service: str = Field(default="istio-ingressgateway", description="name of the Service")


class HostsOptions(StepOptions):
    """Options of a step that sends requests."""

    gateway: Gateway = Field(Gateway(), description="the gateway that the requests go through")
    http: tuple[str, ...] = Field((), description="hosts to ask by Host header")
    tls: tuple[str, ...] = Field((), description="hosts to ask over TLS, by SNI, wherever it ends")
    http_port: int = Field(80, ge=1, le=65535, description="port of the gateway for http")
    tls_port: int = Field(3000, ge=1, le=65535, description="port of the gateway for tls")
    path: str = Field(PATH, pattern="^/[!-~]*$", description="what is asked for; anything but status 200 is a failure")
    headers: dict[str, str] = Field({}, description="headers of each request")

    @field_validator("http", "tls")
    @classmethod
    def _are_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} isn't a host to ask: write the full name, without * or a port")
        return hosts

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(f"{name}: {value}"):
                raise ValueError(f"{name!r} with {value!r} isn't a header: a name has no spaces, a value is one line")
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"{name} can't be chosen: each request has its own")
        return headers


def targets(ctx: Context, options: HostsOptions) -> list[Target]:
    """Every host where the gateway answers, once the route there is known to lead into the cluster's own network.

    Raises ExpectationError if the gateway has no address, or one that leads nowhere.
    """
    gateway = service(ctx, options.gateway)
    asked = [(host, options.http_port, False) for host in options.http]
    asked += [(host, options.tls_port, True) for host in options.tls]
    at = {port: ctx.provider.access.reach(ctx, gateway, port) for port in {port for _, port, _ in asked}}
    by_connection, headers = is_of_rollout(ctx, gateway), tuple(options.headers.items())
    name = (options.gateway.namespace, options.gateway.service)
    return [Target(*at[port], host, tls, options.path, headers, by_connection, port, name) for host, port, tls in asked]


def service(ctx: Context, gateway: Gateway) -> dict[str, Any]:
    """The gateway's Service. Raises ExpectationError if it isn't there."""
    found = ctx.cluster.get("v1", "Service", gateway.service, gateway.namespace)
    if found is None:
        raise ExpectationError(
            "the gateway's Service isn't there",
            where=f"Service {gateway.namespace}/{gateway.service}",
            remedy=f"`{ctx.command('up')}` brings it up",
        )
    return found


def is_of_rollout(ctx: Context, gateway: Mapping[str, Any]) -> bool:
    """Whether a Rollout's own pods stand behind the Service, and no gateway."""
    return any(HASH_LABEL in (pod["metadata"].get("labels") or {}) for pod in pods_behind(ctx.cluster, gateway))
