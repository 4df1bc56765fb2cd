"""What a gateway answers by itself because a route says so: faults on purpose, answers of its own, redirects.

Source: istio/istio, pilot/pkg/networking/core/route/route.go (TranslateFault, ApplyDirectResponse, ApplyRedirect).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.kube.client import is_served
from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.causes.file_and_line import at
from canarylab.rollouts.causes.mesh.bound_gateway import BoundGateway
from canarylab.rollouts.faults import percent_of, seconds_of
from canarylab.rollouts.routes import http_routes, virtual_services
from canarylab.rollouts.routes.match import Request
from canarylab.rollouts.routes.route import TO_HTTPS, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from canarylab.contract.context import Context

_STATUS = re.compile(r"status (\d+) from the gateway")
_NO_ROUTE, _TOO_LATE = 404, 504
_MOVED = 301
_REDIRECTS = (_MOVED, 302, 303, 307, 308)


def status_of(failure: str) -> int | None:
    """That of an answer which the gateway gave by itself; None for any other failure."""
    found = _STATUS.fullmatch(failure)
    return int(found[1]) if found else None


def answered(
    ctx: Context, bound: BoundGateway, request: Request, status: int, routes: Sequence[Object]
) -> Cause | None:
    """Why it gives such a request an answer of that status; None where its routes don't say so."""
    route = bound.route(request)
    if route is None:
        return _no_route(ctx, request, routes) if status == _NO_ROUTE else None
    if status in _REDIRECTS and route.answer == TO_HTTPS:
        why = f"{route.where} sends plain requests to HTTPS (httpsRedirect)"
        return Cause(why, route.instead(request), permanent=True)
    written, where = _found(ctx, bound, route)
    if found := _on_purpose(written, where, status, route.instead(request)):
        return found
    return _too_late(written, where) if status == _TOO_LATE else None


def _on_purpose(written: Object | None, where: str, status: int, instead: str) -> Cause | None:
    abort = dig(written, "fault", "abort")
    if dig(abort, "httpStatus") == status and (percent := percent_of(abort)):
        why = f"{where} answers {percent:g} % of its requests with status {status} on purpose (fault.abort)"
        return Cause(why, "take the fault out of the route", permanent=True)
    if dig(written, "directResponse", "status") == status:
        return Cause(f"{where} is answered with status {status} as it says (directResponse)", instead, permanent=True)
    if dig(written, "redirect") and status == (dig(written, "redirect", "redirectCode") or _MOVED):
        return Cause(f"{where} redirects (redirect)", instead, permanent=True)
    return None


def _too_late(written: Object | None, where: str) -> Cause | None:
    limits = {"timeout": dig(written, "timeout"), "retries.perTryTimeout": dig(written, "retries", "perTryTimeout")}
    if not (given := ", ".join(f"{key}: {value}" for key, value in limits.items() if value)):
        return None
    why = f"{where} gives the pods behind it no longer than that ({given}), and they took longer"
    return Cause(why, "give it a longer one, or see why they take so long")


def delayed(ctx: Context, bound: BoundGateway, request: Request, seconds: float) -> Cause | None:
    """That the route makes some requests wait longer than that, on purpose."""
    route = bound.route(request)
    if route is None:
        return None
    written, where = _found(ctx, bound, route)
    delay = dig(written, "fault", "delay")
    percent, length = percent_of(delay), seconds_of(dig(delay, "fixedDelay"))
    if not percent or length < seconds:
        return None
    why = f"{where} makes {percent:g} % of its requests wait {length:g} s on purpose (fault.delay)"
    return Cause(f"{why}, and an answer is waited for {seconds:g} s", "take the fault out of the route", permanent=True)


def _found(ctx: Context, bound: BoundGateway, route: Route) -> tuple[Object | None, str]:
    """The route as it is written, and what it is called, with file and line."""
    located = bound.located(route)
    where = f"http[{route.position}] of VirtualService {route.ref.namespace}/{route.ref.name}"
    stands = at(ctx, located.obj, "spec", "http", route.position) if located else ""
    return (located.written if located else None), f"{where}{stands}"


def _is_for_any_host(ctx: Context) -> bool:
    """Whether there is an HTTPRoute that names no host."""
    kind = (http_routes.API_VERSION, http_routes.KIND)
    every = ctx.cluster.list(*kind) if is_served(ctx.cluster, *kind) else ()
    return any(not listed(one, "spec", "hostnames") for one in every)


def _no_route(ctx: Context, request: Request, routes: Sequence[Object]) -> Cause | None:
    if _is_for_any_host(ctx) or any(one["kind"] != virtual_services.KIND for one in routes):
        return None  # how the Gateway API's are bound to these pods isn't known from here
    if not routes:
        why = f"no VirtualService and no HTTPRoute of the cluster is for host {request.host}"
        return Cause(why, "add it to the `hosts` of the one that names the gateway's Gateway", permanent=True)
    names = ", ".join(f"{one['kind']} {one['metadata']['namespace']}/{one['metadata']['name']}" for one in routes)
    asked = f"GET {request.path} for {request.host} at port {request.port} of the gateway"
    why = f"no route is for {asked}, not even of {names}: by their `gateways`, `match` or `exportTo`, or by that port"
    return Cause(why, "change what keeps such a request out, or ask for something that they are for", permanent=True)
