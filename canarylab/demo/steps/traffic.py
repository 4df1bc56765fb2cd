"""The step `traffic`: starts and stops the background traffic that proves that no request is lost on the way."""

from __future__ import annotations

import time
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from canarylab.contract.context import Context
from canarylab.contract.step import Claim, Session, Step
from canarylab.demo.preconditions import misplaced
from canarylab.demo.traffic.background import NAME, Background
from canarylab.demo.traffic.client import REQUEST_TIMEOUT, Target, likely_cause
from canarylab.demo.traffic.diagnosis import why_failed
from canarylab.demo.traffic.gateway import HostsOptions, targets
from canarylab.demo.traffic.measure import GIVE_UP_AFTER, measure, usual_pace
from canarylab.errors import ExpectationError

_PROBE_SECONDS = 30.0
"""How long some requests may take before any of them counts."""
_SETTLE_SECONDS = 10.0
"""How long a gateway may take to learn routes that have just been applied."""
_ASK_AGAIN = 0.1


class TrafficOptions(HostsOptions):
    """The requests that flow in the background."""

    state: Literal["start", "stop"] = Field(description="whether requests begin to flow or end")
    rate: float = Field(50, gt=0, le=500, description="requests a second, spread evenly over all hosts")

    @model_validator(mode="after")
    def _hosts_to_start(self) -> TrafficOptions:
        if self.state == "start" and not self.http and not self.tls:
            raise ValueError("no host to ask: list some under http or tls")
        return self


class Traffic(Step):
    """`start`: each host must answer, then requests flow until `stop`, which reports that not one failed."""

    kind: ClassVar[str] = "traffic"
    Options: ClassVar[type[TrafficOptions]] = TrafficOptions
    options: TrafficOptions

    def run(self, ctx: Context, session: Session) -> None:
        act = self._start if self.options.state == "start" else self._stop
        act(ctx, session)

    def _start(self, ctx: Context, session: Session) -> None:
        if session.find(NAME, Background):
            raise misplaced(self, "traffic is already flowing", "remove the second `traffic: {state: start}`")
        hosts = targets(ctx, self.options)
        for target in hosts:
            _settle(ctx, target)
        session.leave(NAME, Background(hosts, self.options.rate, ctx.patient(REQUEST_TIMEOUT)))
        names = ", ".join(map(str, hosts))
        self.report(ctx, [Claim("background traffic", "every host answers", names, holds=True)])

    def _stop(self, ctx: Context, session: Session) -> None:
        background = session.take(NAME, Background)
        if background is None:
            raise misplaced(self, "there is no traffic to stop", "put `traffic: {state: start, ...}` before it")
        self.report(ctx, background.conclude(ctx))


def _settle(ctx: Context, target: Target) -> None:
    """Ask until not one of some requests fails: istiod hands routes that are new to the gateway a moment later.

    Raises ExpectationError with the likely cause if that takes too long and none succeeds. If only some fail then, the
    traffic begins, and the step that stops it reports them.
    """
    end, pace = ctx.cancel.now() + ctx.patient(_SETTLE_SECONDS), usual_pace(ctx)
    while True:
        deadline = time.monotonic() + ctx.patient(_PROBE_SECONDS)
        try:
            why = why_failed(ctx) if ctx.cancel.now() > end else likely_cause
            status = ctx.command("status")
            measured = measure(
                target, GIVE_UP_AFTER, deadline=deadline, cancel=ctx.cancel, status=status, why=why, pace=pace
            )
            failed = measured.failed
            if not failed or ctx.cancel.now() > end:
                return
        except ExpectationError:
            if ctx.cancel.now() > end:
                raise
        ctx.progress(f"{target}: waiting until every request is answered")
        ctx.cancel.sleep(_ASK_AGAIN)
