"""Where the gateway listens, and the hosts that a step asks through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from canarylab.demo.base import StepOptions
from canarylab.demo.client import Target
from canarylab.errors import ExpectationError

if TYPE_CHECKING:
    from canarylab.context import Context


class Gateway(StepOptions):
    """The Service of type LoadBalancer in front of the gateway; by default that of Istio's gateway chart."""

    namespace: str = Field(default="istio-ingress", description="namespace of the Service")
    service: str = Field(default="istio-ingressgateway", description="name of the Service")


class HostsOptions(StepOptions):
    """Options of a step that sends requests."""

    gateway: Gateway = Field(Gateway(), description="the gateway that the requests go through")
    http: tuple[str, ...] = Field((), description="hosts to ask by Host header")
    tls: tuple[str, ...] = Field((), description="hosts to ask by SNI; the gateway passes TLS through")
    http_port: int = Field(80, ge=1, le=65535, description="port of the gateway for http")
    tls_port: int = Field(3000, ge=1, le=65535, description="port of the gateway for tls")


def targets(ctx: Context, options: HostsOptions) -> list[Target]:
    """Every host where the gateway answers, once the route there is known to lead into the cluster's own network.

    Raises ExpectationError if the gateway has no address.
    """
    at = {port: _endpoint(ctx, options.gateway, port) for port in {options.http_port, options.tls_port}}
    http = [Target(*at[options.http_port], host) for host in options.http]
    return http + [Target(*at[options.tls_port], host, tls=True) for host in options.tls]


def _endpoint(ctx: Context, gateway: Gateway, port: int) -> tuple[str, int]:
    where = f"Service {gateway.namespace}/{gateway.service}"
    service = ctx.cluster.get("v1", "Service", gateway.service, gateway.namespace)
    if service is None:
        raise ExpectationError("the gateway's Service isn't there", where=where, remedy="`invoke up` brings it up")
    endpoint = ctx.provider.endpoint(ctx, service, port)
    if endpoint is None:
        raise ExpectationError(
            "the gateway has no address",
            where=where,
            why="a LoadBalancer Service stays pending without a tunnel"
            if ctx.provider.owns_cluster
            else "a LoadBalancer Service stays pending without a load balancer that serves this cluster",
            remedy="`invoke tunnel start` starts one; `invoke status` shows the address"
            if ctx.provider.owns_cluster
            else "`invoke tunnel status` says where to look",
        )
    ctx.provider.check_route(ctx, endpoint[0])
    return endpoint
