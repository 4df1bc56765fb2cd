"""Why requests through a gateway fail, checked in the cluster: nothing is told of which nothing was found."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from canarylab.contract.cause import Cause
from canarylab.contract.context import Context
from canarylab.errors import CanarylabError
from canarylab.kube import sidecars
from canarylab.kube.forward import PodPort
from canarylab.kube.objects import Object, condition, dig, listed
from canarylab.rollouts.causes import replaced_authority
from canarylab.rollouts.causes.file_and_line import at
from canarylab.rollouts.causes.mesh import gateway_answers, handshake
from canarylab.rollouts.causes.mesh.authorization import Call, Denial, denial
from canarylab.rollouts.causes.mesh.bound_gateway import BoundGateway
from canarylab.rollouts.causes.mesh.destinations import Destination, lacking, pods_of, rule_of, subset_labels
from canarylab.rollouts.causes.mesh.peers import DISABLE, STRICT, peer_mode
from canarylab.rollouts.causes.mesh.ports import known_ports, service_port
from canarylab.rollouts.causes.mesh.settings import SYSTEM, attached, mesh_of, named, policies
from canarylab.rollouts.causes.traffic_path import TrafficPath
from canarylab.rollouts.routes import envoy
from canarylab.rollouts.routes.match import Request

UNAUTHENTICATED = "status 401"
UNAUTHENTICATED_BY_GATEWAY = "status 401 from the gateway"
FORBIDDEN = "status 403"
FORBIDDEN_BY_GATEWAY = "status 403 from the gateway"
UNAVAILABLE = "status 503 from the gateway"
LATE = "no answer in time"
CUT = "the connection was cut"
"""By the other side: how TLS that is passed through meets a refusal."""
_AUTHORIZATION = "authorization"


_Look = Callable[[Context, TrafficPath], Cause | None]


def unanswered(
    ctx: Context, asked: Request, failure: str, seconds: float = 0.0, gateway: tuple[str, str] = ("", "")
) -> Cause | None:
    """What keeps such requests from being answered now; None where nothing is found, or the cluster can't be asked.

    `seconds` is how long an answer was waited for, `gateway` namespace and name of the gateway's Service, "" where they
    aren't known.
    """
    if not (looks := _looks(asked, failure, seconds)):
        return None
    try:
        path = TrafficPath.of(ctx.cluster, asked, gateway)
        return next(filter(None, (look(ctx, path) for look in looks)), None)
    except CanarylabError:
        return None


def _looks(asked: Request, failure: str, seconds: float) -> Sequence[_Look]:
    """What may lie behind such a failure, the likeliest first."""
    if failure == FORBIDDEN:
        return (_forbidden_at_pods,)
    if failure == UNAUTHENTICATED:
        return (_token_refused_at_pods,)
    if failure == LATE:
        return (functools.partial(_delayed, seconds),)
    if failure == CUT:
        at_pods = (_forbidden_at_pods, _nobody_there, _of_two_authorities)
        return (_handshake, _forbidden_at_gateway, *at_pods) if asked.tls else ()
    if (status := gateway_answers.status_of(failure)) is None:
        return ()
    by_itself = functools.partial(_by_itself, status)
    further: dict[str, Sequence[_Look]] = {
        FORBIDDEN_BY_GATEWAY: (_forbidden_at_gateway, by_itself),
        UNAUTHENTICATED_BY_GATEWAY: (_token_refused_at_gateway, by_itself),
        UNAVAILABLE: (_nobody_there, _of_two_authorities, _plain_text, by_itself, _not_told),
    }
    return further.get(failure, (by_itself,))


# -- the gateway itself ------------------------------------------------------------------------------------------------


def _by_itself(status: int, ctx: Context, path: TrafficPath) -> Cause | None:
    """A fault on purpose, an answer of its own, no route at all."""
    routes = path.routes or path.elsewhere
    bound = path.bound if routes else BoundGateway()
    return gateway_answers.answered(ctx, bound, path.asked, status, routes) if bound else None


def _delayed(seconds: float, ctx: Context, path: TrafficPath) -> Cause | None:
    return gateway_answers.delayed(ctx, path.bound, path.asked, seconds) if path.bound else None


def _handshake(ctx: Context, path: TrafficPath) -> Cause | None:
    return handshake.ended_by(ctx, path.bound, path.asked) if path.bound else None


# -- AuthorizationPolicy -----------------------------------------------------------------------------------------------


def _forbidden_at_gateway(ctx: Context, path: TrafficPath) -> Cause | None:
    """A policy of the gateway's own pods; whoever asks from outside has no identity."""
    asked = path.asked
    call = Call(asked.port, "", asked.tls, asked.host, asked.path, headers=asked.headers)
    return _denied(ctx, path.gateway, call) if path.gateway else None


def _forbidden_at_pods(ctx: Context, path: TrafficPath) -> Cause | None:
    """A policy of the pods that the routes lead to; the gateway asks them by its own identity, if by mutual TLS."""
    mesh, asked = mesh_of(ctx.cluster), path.asked
    if path.gateway is None:
        return None
    for to, service, pod in path.ends():
        if not sidecars.is_injected(pod):
            continue
        port = path.port_at(to, service, pod)
        peers = policies(ctx.cluster, "PeerAuthentication", mesh, pod["metadata"]["namespace"])
        principal = "" if peer_mode(peers, mesh, pod, port).mode == DISABLE else mesh.identity(path.gateway)
        call = Call(port, principal, asked.tls, asked.host, asked.path, headers=asked.headers)
        if found := _denied(ctx, pod, call):
            return found
    return None


def _denied(ctx: Context, pod: Object, call: Call) -> Cause | None:
    mesh = mesh_of(ctx.cluster)
    found = denial(policies(ctx.cluster, "AuthorizationPolicy", mesh, pod["metadata"]["namespace"]), mesh, pod, call)
    if found is None:
        return None
    return Cause(f"{found.why}{at(ctx, found.policy, *found.place)}", _let_in(ctx, found, call), permanent=found.sure)


def _let_in(ctx: Context, found: Denial, call: Call) -> str:
    meta = found.policy["metadata"]
    where = f"kubectl --context {ctx.cluster.context} --namespace {meta['namespace']}"
    show = f"`{where} get authorizationpolicy {meta['name']} --output yaml` shows it"
    if dig(found.policy, "spec", "action") in ("DENY", "CUSTOM"):
        return f"{show}; change its rule so that it doesn't take this, where that is wanted"
    source = f"from: [{{source: {{principals: [{call.principal}]}}}}]" if call.principal else "to: [{operation: {}}]"
    return f"{show}; allow the caller with a rule such as `{source}`, where that is wanted"


# -- RequestAuthentication ---------------------------------------------------------------------------------------------


def _token_refused_at_gateway(ctx: Context, path: TrafficPath) -> Cause | None:
    return _token_refused(ctx, path.asked, [path.gateway] if path.gateway else [], "")


def _token_refused_at_pods(ctx: Context, path: TrafficPath) -> Cause | None:
    pods = [pod for _, _, pod in path.ends() if sidecars.is_injected(pod)]
    return _token_refused(ctx, path.asked, pods, "; or the application itself answers so")


def _token_refused(ctx: Context, asked: Request, pods: Sequence[Object], otherwise: str) -> Cause | None:
    """A policy that checks tokens, where the request has one: without a token such a policy keeps nobody out.

    Source: istio/istio, pilot/pkg/security/authn/policy_applier.go (convertToEnvoyJwtConfig: allow_missing).
    """
    mesh = mesh_of(ctx.cluster)
    for pod in pods if _AUTHORIZATION in asked.headers else ():
        every = policies(ctx.cluster, "RequestAuthentication", mesh, pod["metadata"]["namespace"])
        if mine := [one for one in every if attached(one, pod)]:
            names = " and ".join(f"{named(one)}{at(ctx, one, 'spec', 'jwtRules')}" for one in mine)
            why = f"most likely the request's token is none that {names} takes, by issuer, audience, key or time"
            return Cause(f"{why}{otherwise}", "give the step's `headers` a token that is good, or none")
    return None


# -- nobody behind it --------------------------------------------------------------------------------------------------


def _nobody_there(ctx: Context, path: TrafficPath) -> Cause | None:
    """The first destination that can't answer, by the objects it is made of."""
    for to in path.destinations:
        if found := _wrong_with(ctx, path, to):
            return Cause(f"{found[0]}{at(ctx, to.route, *to.place)}", found[1], permanent=True)
    return None


def _wrong_with(ctx: Context, path: TrafficPath, to: Destination) -> tuple[str, str] | None:
    """What is wrong with the destination, and what to do; None where nothing is, or it isn't a Service's."""
    if not to.service:
        return _half_a_name(ctx, to)
    service, name = ctx.cluster.get("v1", "Service", to.service, to.namespace), f"Service {to.namespace}/{to.service}"
    if service is None:
        return f"{to.where} routes to {name}, and there is none", f"`{ctx.command('up')}` makes the playbook's Services"
    port = path.port_of(to, service)
    if listed(service, "spec", "ports") and service_port(service, port) is None:
        ports = known_ports(service)
        return f"{to.where} routes to port {port} of {name}, which has {ports}", f"name one of {ports} in the route"
    return _no_pod_behind(ctx, path, to, service)


def _half_a_name(ctx: Context, to: Destination) -> tuple[str, str] | None:
    """A name with a period is taken as it stands, so that NAME.NAMESPACE leads nowhere."""
    name, _, namespace = to.host.removesuffix(".svc").partition(".")
    if not namespace or "." in namespace or ctx.cluster.get("v1", "Service", name, namespace) is None:
        return None
    full = f"{name}.{namespace}.svc.cluster.local"
    return f"{to.where} routes to {to.host}, which Istio takes for a full name, and there is none", f"write {full}"


def _no_pod_behind(ctx: Context, path: TrafficPath, to: Destination, service: Object) -> tuple[str, str] | None:
    kubectl = f"kubectl --context {ctx.cluster.context} --namespace {to.namespace}"
    name = f"Service {to.namespace}/{to.service}"
    labels = subset_labels(ctx.cluster, to, path.gateway) if to.subset else {}
    if labels is None:
        lacks = lacking(ctx.cluster, to, path.gateway)
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


# -- somebody is there, and they don't understand each other -----------------------------------------------------------


def _of_two_authorities(ctx: Context, path: TrafficPath) -> Cause | None:
    """A gateway and pods whose certificates are of different authorities."""
    pods = [*([path.gateway] if path.gateway else []), *(pod for _, _, pod in path.ends())]
    found = replaced_authority.outdated(ctx.cluster, pods)
    if not found:
        return None
    names = ", ".join(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in found)
    why = f"the mesh has two certificate authorities: {names} {replaced_authority.STILL_HAVE}"
    return Cause(why, f"`{ctx.command('up')}` restarts what it made; restart the rest by hand", permanent=True)


def _plain_text(ctx: Context, path: TrafficPath) -> Cause | None:
    """A DestinationRule that has the gateway ask in plain text what takes mutual TLS only."""
    mesh = mesh_of(ctx.cluster)
    for to, service, pod in path.ends():
        peers = policies(ctx.cluster, "PeerAuthentication", mesh, to.namespace)
        mode = peer_mode(peers, mesh, pod, path.port_at(to, service, pod))
        joined = rule_of(ctx.cluster, to, path.gateway)
        rule = joined.policy_of if joined else None
        if not (rule and mode.policy and sidecars.is_injected(pod)):
            continue
        if mode.mode == STRICT and _tls_mode(rule) == DISABLE:
            off, strict = (f"{named(one)}{at(ctx, one, 'spec')}" for one in (rule, mode.policy))
            why = f"{off} turns TLS off (mode DISABLE), and {strict} takes mutual TLS only"
            return Cause(why, "set ISTIO_MUTUAL in the one, or PERMISSIVE in the other", permanent=True)
    return None


def _not_told(ctx: Context, path: TrafficPath) -> Cause | None:
    """A gateway whose Envoy doesn't know the pods that are ready, as istiod hasn't told it (yet)."""
    if path.gateway is None:
        return None
    meta = path.gateway["metadata"]
    with PodPort(ctx.cluster, meta["namespace"], meta["name"], envoy.ADMIN_PORT) as port:
        known = envoy.endpoints(port.json(envoy.CLUSTERS))
    for to, service, _ in path.ends():
        cluster = f"outbound|{path.port_of(to, service)}|{to.subset}|{to.service}.{to.namespace}.svc.cluster.local"
        there = {each.address for each in known.get(cluster, ())}
        labels = subset_labels(ctx.cluster, to, path.gateway) or {} if to.subset else {}
        pods = pods_of(ctx.cluster, service, labels)
        ready = [pod for pod in pods if condition(pod, "Ready").get("status") == "True"]
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
