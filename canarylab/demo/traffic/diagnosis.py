"""Why requests failed: what is found in the cluster first, else what the failure itself says."""

from __future__ import annotations

import contextlib
from urllib.parse import parse_qsl

from canarylab.contract.cause import Cause
from canarylab.contract.context import Context
from canarylab.demo.traffic.client import (
    CLOSED,
    HANDSHAKE,
    REFUSED,
    REQUEST_TIMEOUT,
    RESET,
    TIMEOUT,
    Target,
    Why,
    likely_cause,
)
from canarylab.errors import CanarylabError
from canarylab.rollouts.causes.unanswered import CUT, LATE, unanswered
from canarylab.rollouts.causes.unready_service import closed_at
from canarylab.rollouts.routes.match import Request

_AS_CAUSES_SAY = {**dict.fromkeys((HANDSHAKE, RESET, CLOSED), CUT), TIMEOUT: LATE}


def request_of(target: Target) -> Request:
    """What a request to the target looks like to routes."""
    headers = {name.lower(): value for name, value in target.headers}
    path, _, query = target.path.partition("?")
    asked = dict(reversed(parse_qsl(query, keep_blank_values=True)))  # of two of a name, Envoy takes the first
    return Request(target.host, path, headers, target.tls, target.gateway_port or target.port, asked)


def _no_gateway(ctx: Context, target: Target) -> Cause | None:
    """That nobody stands behind the gateway's Service, or it hasn't that port."""
    namespace, name = target.gateway
    with contextlib.suppress(CanarylabError):
        return closed_at(ctx, namespace, name, target.gateway_port or target.port) if name else None
    return None


def why_failed(ctx: Context) -> Why:
    """Says why requests to a target fail in some way, and what to do; "" where nothing is known."""

    def why(kind: str, target: Target) -> str:
        found = _no_gateway(ctx, target) if kind in (REFUSED, TIMEOUT) else None
        found = found or unanswered(
            ctx, request_of(target), _AS_CAUSES_SAY.get(kind, kind), ctx.patient(REQUEST_TIMEOUT), target.gateway
        )
        return f"{found.why}; {found.remedy}" if found else likely_cause(kind, target)

    return why
