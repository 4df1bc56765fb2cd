"""Why a gateway ends TLS handshakes: what its Gateways say of the host, and the Secrets that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.kube import tls_secrets
from canarylab.kube.client import ApiError
from canarylab.kube.objects import dig
from canarylab.rollouts.causes.file_and_line import at
from canarylab.rollouts.causes.mesh.bound_gateway import BoundGateway
from canarylab.rollouts.gateway_servers import ASKING, PASSED_ON, Server
from canarylab.rollouts.routes.match import Request
from canarylab.rollouts.routes.route import under

if TYPE_CHECKING:
    from canarylab.contract.context import Context


def ended_by(ctx: Context, bound: BoundGateway, request: Request) -> Cause | None:
    """What is wrong at the gateway for a request over TLS; None where nothing is found."""
    opened = [server for server in bound.servers(request.port) if server.mode]
    if not opened:
        return None
    server = under(request.host, ((host, server) for server in opened for host in server.hosts))
    if server is None:
        hosts = ", ".join(dict.fromkeys(host for each in opened for host in each.hosts))
        why = f"no server of a Gateway takes {request.host} over TLS at port {request.port}: there is {hosts}"
        return Cause(why, f"list {request.host} under the `hosts` of one of them ({opened[0].where})", permanent=True)
    if server.mode in PASSED_ON:
        return _not_passed_on(ctx, bound, server, request)
    return _without_certificate(ctx, bound, server, request) or _asks_for_one(ctx, server)


def _told(ctx: Context, server: Server) -> str:
    return f"{server.where}{at(ctx, server.gateway, *server.place)}"


def _not_passed_on(ctx: Context, bound: BoundGateway, server: Server, request: Request) -> Cause | None:
    if server.mode == "AUTO_PASSTHROUGH" or bound.route(request) is not None:
        return None
    why = (
        f"{_told(ctx, server)} passes TLS on (mode {server.mode}), and no tls route of a VirtualService that names "
        f"this Gateway is for {request.host}"
    )
    return Cause(why, f"give one `match: [{{sniHosts: [{request.host}]}}]` among its tls routes", permanent=True)


def _without_certificate(ctx: Context, bound: BoundGateway, server: Server, request: Request) -> Cause | None:
    for credential in server.credentials:
        if found := _wrong_with(ctx, bound.proxy.namespace, server, credential):
            why, remedy = found
            return Cause(f"{why}; so the gateway ends no TLS for {request.host}", remedy, permanent=True)
    return None


def _wrong_with(ctx: Context, namespace: str, server: Server, credential: str) -> tuple[str, str] | None:
    """What is wrong with a Secret that a server names, and what to do."""
    place, _, name = credential.rpartition("/")
    stands = at(ctx, server.gateway, *server.place_of(credential))
    wants = f"{server.where}{stands} names Secret {name} (credentialName)"
    if place not in ("", namespace):
        why = f"{wants} of namespace {place}, and istiod reads only those of {namespace}, where the gateway's pods are"
        return why, f"make it in namespace {namespace}, and name it without a namespace"
    kubectl = f"kubectl --context {ctx.cluster.context} --namespace {namespace}"
    made = f"`{kubectl} create secret tls {name} --cert=FILE --key=FILE` makes it"
    try:
        secret = ctx.cluster.get("v1", "Secret", name, namespace)
        own = str(dig(server.gateway, "metadata", "namespace"))
        is_elsewhere = secret is None and own != namespace and ctx.cluster.get("v1", "Secret", name, own) is not None
    except ApiError:  # not everybody may read Secrets
        return None
    if secret is None:
        beside = f"; there is one in namespace {own}, where istiod doesn't look for it" if is_elsewhere else ""
        return f"{wants}, and namespace {namespace}, where the gateway's pods are, has none{beside}", made
    if fault := tls_secrets.fault_of(secret):
        return f"{wants}, and Secret {namespace}/{name} holds no usable certificate: {fault}", f"make it anew: {made}"
    return None


def _asks_for_one(ctx: Context, server: Server) -> Cause | None:
    if server.mode not in ASKING:
        return None
    whose = "one of the mesh's own" if server.mode == "ISTIO_MUTUAL" else "one that its `cacert` vouches for"
    asks = f"{_told(ctx, server)} asks for a client certificate (mode {server.mode}), {whose}"
    why = f"{asks}, and a demonstration has none"
    return Cause(why, "use mode SIMPLE or OPTIONAL_MUTUAL for it, or ask another host", permanent=True)
