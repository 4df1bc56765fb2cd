"""Why requests through a gateway fail, checked in the cluster: nothing is told of which nothing was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.errors import CanarylabError
from canarylab.kube import sidecars
from canarylab.kube.forward import PodPort
from canarylab.kube.objects import Object, condition, dig, listed
from canarylab.rollouts.causes import authorities
from canarylab.rollouts.causes.mesh.authorization import Call, Denial, denial
from canarylab.rollouts.causes.mesh.destinations import (
    Destination,
    destinations,
    gateway_pods,
    lacking,
    pods_of,
    routes_for,
    rule_of,
    subset_labels,
)
from canarylab.rollouts.causes.mesh.peers import DISABLE, STRICT, peer_mode
from canarylab.rollouts.causes.mesh.ports import known_ports, pod_port, service_port
from canarylab.rollouts.causes.mesh.settings import SYSTEM, mesh_of, named, policies
from canarylab.rollouts.routes import envoy

if TYPE_CHECKING:
    from canarylab.contract.context import Context

FORBIDDEN = "status 403"
FORBIDDEN_BY_GATEWAY = "status 403 from the gateway"
UNAVAILABLE = "status 503 from the gateway"
CUT = "the connection was cut"
"""By the other side: how TLS that is passed through meets a refusal."""


@dataclass(frozen=True)
class Asked:
    """What was asked of the gateway: `port` is that of its Service."""

    host: str
    port: int
    path: str = "/"
    tls: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


def unanswered(ctx: Context, asked: Asked, failure: str) -> Cause | None:
    """What keeps such requests from being answered now; None where nothing is found, or the cluster can't be asked."""
    looks: Sequence[Callable[[Context, Asked, Sequence[Object]], Cause | None]]
    if failure == FORBIDDEN_BY_GATEWAY:
        looks = (_forbidden_at_gateway,)
    elif failure == FORBIDDEN:
        looks = (_forbidden_at_pods,)
    elif failure == UNAVAILABLE:
        looks = (_nobody_there, _of_two_authorities, _plain_text, _not_told)
    elif failure == CUT and asked.tls:
        looks = (_forbidden_at_gateway, _forbidden_at_pods, _nobody_there, _of_two_authorities)
    else:
        return None
    try:
        routes = routes_for(ctx.cluster, asked.host)
        return next(filter(None, (look(ctx, asked, routes) for look in looks)), None)
    except CanarylabError:
        return None


# -- AuthorizationPolicy -----------------------------------------------------------------------------------------------


def _forbidden_at_gateway(ctx: Context, asked: Asked, routes: Sequence[Object]) -> Cause | None:
    """A policy of the gateway's own pods; whoever asks from outside has no identity."""
    for pod in _first_gateway(ctx, routes):
        call = Call(asked.port, "", asked.tls, asked.host, asked.path, headers=asked.headers)
        if found := _denied(ctx, pod, call):
            return found
    return None


def _forbidden_at_pods(ctx: Context, asked: Asked, routes: Sequence[Object]) -> Cause | None:
    """A policy of the pods that the routes lead to; the gateway asks them by its own identity, if by mutual TLS."""
    mesh = mesh_of(ctx.cluster)
    for gateway in _first_gateway(ctx, routes):
        for to, service, pod in _ends(ctx, routes):
            if not sidecars.is_injected(pod):
                continue
            port = _port_at(to, service, pod, asked)
            peers = policies(ctx.cluster, "PeerAuthentication", mesh, pod["metadata"]["namespace"])
            plain = peer_mode(peers, mesh, pod, port).mode == DISABLE
            principal = "" if plain else mesh.identity(gateway)
            call = Call(port, principal, asked.tls, asked.host, asked.path, headers=asked.headers)
            if found := _denied(ctx, pod, call):
                return found
    return None


def _first_gateway(ctx: Context, routes: Sequence[Object]) -> list[Object]:
    return [pod for route in routes for pod in gateway_pods(ctx.cluster, route)][:1]


def _denied(ctx: Context, pod: Object, call: Call) -> Cause | None:
    mesh = mesh_of(ctx.cluster)
    found = denial(policies(ctx.cluster, "AuthorizationPolicy", mesh, pod["metadata"]["namespace"]), mesh, pod, call)
    return None if found is None else Cause(found.why, _let_in(ctx, found, call), lasting=found.sure)


def _let_in(ctx: Context, found: Denial, call: Call) -> str:
    meta = found.policy["metadata"]
    where = f"kubectl --context {ctx.cluster.context} --namespace {meta['namespace']}"
    show = f"`{where} get authorizationpolicy {meta['name']} --output yaml` shows it"
    if dig(found.policy, "spec", "action") in ("DENY", "CUSTOM"):
        return f"{show}; change its rule so that it doesn't take this, where that is wanted"
    source = f"from: [{{source: {{principals: [{call.principal}]}}}}]" if call.principal else "to: [{operation: {}}]"
    return f"{show}; allow the caller with a rule such as `{source}`, where that is wanted"


# -- nobody behind it --------------------------------------------------------------------------------------------------


def _nobody_there(ctx: Context, asked: Asked, routes: Sequence[Object]) -> Cause | None:
    """The first destination that can't answer, by the objects it is made of."""
    for to in (to for route in routes for to in destinations(route)):
        if found := _wrong_with(ctx, to, asked):
            return Cause(found[0], found[1], lasting=True)
    return None


def _wrong_with(ctx: Context, to: Destination, asked: Asked) -> tuple[str, str] | None:
    """What is wrong with the destination, and what to do; None where nothing is, or it isn't a Service's."""
    if not to.service:
        return _half_a_name(ctx, to)
    service, name = ctx.cluster.get("v1", "Service", to.service, to.namespace), f"Service {to.namespace}/{to.service}"
    if service is None:
        return f"{to.where} routes to {name}, and there is none", f"`{ctx.command('up')}` makes the playbook's Services"
    port = _port_of(to, service, asked)
    if listed(service, "spec", "ports") and service_port(service, port) is None:
        ports = known_ports(service)
        return f"{to.where} routes to port {port} of {name}, which has {ports}", f"name one of {ports} in the route"
    return _no_pod_behind(ctx, to, service, name)


def _half_a_name(ctx: Context, to: Destination) -> tuple[str, str] | None:
    """A name with a period is taken as it stands, so that NAME.NAMESPACE leads nowhere."""
    name, _, namespace = to.host.removesuffix(".svc").partition(".")
    if not namespace or "." in namespace or ctx.cluster.get("v1", "Service", name, namespace) is None:
        return None
    full = f"{name}.{namespace}.svc.cluster.local"
    return f"{to.where} routes to {to.host}, which Istio takes for a full name, and there is none", f"write {full}"


def _no_pod_behind(ctx: Context, to: Destination, service: Object, name: str) -> tuple[str, str] | None:
    kubectl = f"kubectl --context {ctx.cluster.context} --namespace {to.namespace}"
    labels = subset_labels(ctx.cluster, to) if to.subset else {}
    if labels is None:
        lacks = lacking(ctx.cluster, to)
        if not lacks:
            return None
        show = f"`{kubectl} get destinationrules --output yaml`"
        return (
            f"{to.where} routes to subset {to.subset} of {name}, which {lacks}",
            f"add it, or change the route; {show}",
        )
    if not dig(service, "spec", "selector"):
        return None
    pods = pods_of(ctx.cluster, service, labels)
    if any(condition(pod, "Ready").get("status") == "True" for pod in pods):
        return None
    which = f"subset {to.subset} of {name}" if to.subset else name
    seen = f"none of its {len(pods)} pods is ready" if pods else "no pod is behind it"
    return f"{to.where} routes to {which}: {seen}", f"`{kubectl} get pods,endpointslices` shows them"


def _port_of(to: Destination, service: Object, asked: Asked) -> int:
    """What the route names, else the Service's only one, else the gateway's.

    Source: istio/istio, pilot/pkg/networking/core/route/route.go, GetDestinationCluster.
    """
    ports = listed(service, "spec", "ports")
    return to.port or (int(ports[0]["port"]) if len(ports) == 1 else asked.port)


def _port_at(to: Destination, service: Object, pod: Object, asked: Asked) -> int:
    port = _port_of(to, service, asked)
    return pod_port(service, port, pod) or port


def _ends(ctx: Context, routes: Iterable[Object]) -> Iterator[tuple[Destination, Object, Object]]:
    """Every destination with its Service and one of its ready pods."""
    for to in (to for route in routes for to in destinations(route) if to.service):
        service = ctx.cluster.get("v1", "Service", to.service, to.namespace)
        if service is not None:
            pods = pods_of(ctx.cluster, service, subset_labels(ctx.cluster, to) or {} if to.subset else {})
            yield from ((to, service, pod) for pod in pods[:1])


# -- somebody is there, and they don't understand each other -----------------------------------------------------------


def _of_two_authorities(ctx: Context, asked: Asked, routes: Sequence[Object]) -> Cause | None:  # noqa: ARG001 - a look
    """A gateway and pods whose certificates are of different authorities."""
    pods = [*_first_gateway(ctx, routes), *(pod for _, _, pod in _ends(ctx, routes))]
    found = authorities.outdated(ctx.cluster, pods)
    if not found:
        return None
    names = ", ".join(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in found)
    why = f"the mesh has two certificate authorities: {names} {authorities.STILL_HAVE}"
    return Cause(why, f"`{ctx.command('up')}` restarts what it made; restart the rest by hand", lasting=True)


def _plain_text(ctx: Context, asked: Asked, routes: Sequence[Object]) -> Cause | None:
    """A DestinationRule that has the gateway ask in plain text what takes mutual TLS only."""
    mesh = mesh_of(ctx.cluster)
    for to, service, pod in _ends(ctx, routes):
        peers = policies(ctx.cluster, "PeerAuthentication", mesh, to.namespace)
        mode = peer_mode(peers, mesh, pod, _port_at(to, service, pod, asked))
        joined = rule_of(ctx.cluster, to)
        rule = joined.policy_of if joined else None
        if not (rule and mode.policy and sidecars.is_injected(pod)):
            continue
        if mode.mode == STRICT and _tls_mode(rule) == DISABLE:
            why = f"{named(rule)} turns TLS off (mode DISABLE), and {named(mode.policy)} takes mutual TLS only"
            return Cause(why, "set ISTIO_MUTUAL in the one, or PERMISSIVE in the other", lasting=True)
    return None


def _not_told(ctx: Context, asked: Asked, routes: Sequence[Object]) -> Cause | None:
    """A gateway whose Envoy doesn't know the pods that are ready, as istiod hasn't told it (yet)."""
    for gateway in _first_gateway(ctx, routes):
        meta = gateway["metadata"]
        with PodPort(ctx.cluster, meta["namespace"], meta["name"], envoy.ADMIN_PORT) as port:
            known = envoy.endpoints(port.json(envoy.CLUSTERS))
        for to, service, _ in _ends(ctx, routes):
            cluster = (
                f"outbound|{_port_of(to, service, asked)}|{to.subset}|{to.service}.{to.namespace}.svc.cluster.local"
            )
            there = {each.address for each in known.get(cluster, ())}
            labels = subset_labels(ctx.cluster, to) or {} if to.subset else {}
            ready = [
                pod for pod in pods_of(ctx.cluster, service, labels) if condition(pod, "Ready").get("status") == "True"
            ]
            addresses = {str(dig(pod, "status", "podIP")) for pod in ready}
            if cluster in known and addresses and not addresses & there:
                why = (
                    f"Envoy of {meta['namespace']}/{meta['name']} knows none of the ready pods of Service "
                    f"{to.namespace}/{to.service} ({', '.join(sorted(there)) or 'no address at all'})"
                )
                system = f"kubectl --context {ctx.cluster.context} --namespace {SYSTEM} get pods"
                return Cause(why, f"istiod tells it, if it runs and the proxy is connected to it: `{system}`")
    return None


def _tls_mode(rule: Object) -> str:
    return str(dig(rule, "spec", "trafficPolicy", "tls", "mode") or "")
