"""Why requests failed: what is found in the cluster first, else what the failure itself says."""

from __future__ import annotations

from canarylab.contract.context import Context
from canarylab.demo.traffic.client import CLOSED, HANDSHAKE, RESET, Target, Why, likely_cause
from canarylab.rollouts.causes.unanswered import CUT, Asked, unanswered

_CUTS = (HANDSHAKE, RESET, CLOSED)


def why_failed(ctx: Context) -> Why:
    """Says why requests to a target fail in some way, and what to do; "" where nothing is known."""

    def why(kind: str, target: Target) -> str:
        headers = {name.lower(): value for name, value in target.headers}
        asked = Asked(target.host, target.gateway_port or target.port, target.path, target.tls, headers)
        found = unanswered(ctx, asked, CUT if kind in _CUTS else kind)
        return f"{found.why}; {found.remedy}" if found else likely_cause(kind, target)

    return why
