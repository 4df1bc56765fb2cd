"""The step `measure`: the canary's share of real answers, host by host."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from canarylab.demo.answers import Revisions, exact, missing, none_failed, plausible, weighted
from canarylab.demo.base import Claim, Session, Step, disappointed, report
from canarylab.demo.client import Target
from canarylab.demo.gateway import HostsOptions, targets
from canarylab.demo.rollout import RolloutView, read
from canarylab.demo.statistics import attempts
from canarylab.demo.traffic import Measurement, measure
from canarylab.errors import ExpectationError
from canarylab.events import Notice
from canarylab.playbook.model import Seconds

if TYPE_CHECKING:
    from canarylab.context import Context

_PROBE = 100
"""Requests in one look whether the gateway routes by the new weights yet."""
_SETTLE_SECONDS = 10.0
_ALL = 100


class MeasureOptions(HostsOptions):
    rollout: str = Field(description="the Rollout whose revisions answer")
    namespace: str = Field("default", description="namespace of the Rollout")
    requests: int = Field(2000, ge=100, description="requests for each host, at first")
    canary: int = Field(ge=0, le=100, description="the share in percent of the newest revision; 0 and 100 are exact")
    timeout: Seconds = Field(600, description="how long all hosts together may take")

    @model_validator(mode="after")
    def _some_host(self) -> MeasureOptions:
        if not self.http and not self.tls:
            raise ValueError("no host to measure: list some under http or tls")
        return self


class Measure(Step):
    """Who answers is read from each answer: pods name their ReplicaSet's pod-template-hash in a header.

    A weight between 0 and 100 is believed by the rule in `canarylab.demo.statistics`; at 0 and at 100 every answer
    must come from the one revision. The Rollout at rest has one revision, to which 0 and 100 both belong.

    An Istio gateway learns new weights a moment after they were set. Each host is asked until the answers show that it
    has, and only then is it measured, from nothing: what was asked before counts only as far as it failed.
    """

    kind: ClassVar[str] = "measure"
    Options: ClassVar[type[MeasureOptions]] = MeasureOptions
    options: MeasureOptions

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        view = read(ctx, self.options.namespace, self.options.rollout)
        revisions = self._revisions(view)
        hosts = targets(ctx, self.options)
        survey = _Survey(ctx, time.monotonic() + self.options.timeout)
        wrong = [claim for target in hosts if (claim := self._host(ctx, survey, target, revisions))]
        if lost := report(ctx, self.kind, [none_failed(survey.taken, "not one request failed")]):
            wrong.append(lost)
        if wrong:
            raise disappointed(ctx, self.kind, wrong[0])

    def _revisions(self, view: RolloutView) -> Revisions:
        if 0 < self.options.canary < _ALL and not (view.updating and view.stable):
            raise ExpectationError(
                f"Rollout {view.name} has no canary to measure",
                where=f"demo step {self.kind}",
                why=f"it is {view}",
                remedy="begin an update with the step `set-image`, and wait for its pause with `expect-rollout`",
            )
        return Revisions.of(view)

    def _host(self, ctx: Context, survey: _Survey, target: Target, revisions: Revisions) -> Claim | None:
        """Report one host; the claim that doesn't hold, if there is one."""
        weight = self.options.canary
        if weight in (0, _ALL):
            only = revisions.stable if weight == 0 else revisions.canary
            survey.settle(target, lambda seen: set(seen.revisions) == {only})
            measured = survey.measure(target, self.options.requests)
            return report(ctx, self.kind, [exact(measured, only, revisions)])
        survey.settle(target, lambda seen: plausible(seen, weight, revisions))
        return report(ctx, self.kind, [self._weighted(ctx, survey, target, revisions)])

    def _weighted(self, ctx: Context, survey: _Survey, target: Target, revisions: Revisions) -> Claim:
        """Measure until the weight is believed, or the rule gives it up; a miss on the way is told at once."""
        weight, taken = self.options.canary, list[Measurement]()
        first, *again = attempts(self.options.requests)
        taken.append(survey.measure(target, first))
        for requests in again:
            claim = weighted(taken, weight, revisions)
            if claim.holds or claim.hopeless:
                return claim
            ctx.emit(Notice(missing(taken[-1], weight, revisions, requests)))
            taken.append(survey.measure(target, requests))
        return weighted(taken, weight, revisions)


class _Survey:
    """All measurements of a step, under one deadline."""

    def __init__(self, ctx: Context, deadline: float) -> None:
        self._ctx = ctx
        self._deadline = min(deadline, ctx.deadline)
        self.taken: list[Measurement] = []

    def settle(self, target: Target, settled: Callable[[Measurement], bool]) -> None:
        """Ask until the answers look right, for some seconds at most; if they never do, the measurement will tell."""
        end = time.monotonic() + _SETTLE_SECONDS
        while not settled(self.measure(target, _PROBE)) and time.monotonic() < end:
            self._ctx.progress(f"{target}: waiting for the gateway to route by the new weights")

    def measure(self, target: Target, requests: int) -> Measurement:
        self._ctx.progress(f"{target}: {requests:,} requests")
        measured = measure(target, requests, deadline=self._deadline, cancel=self._ctx.cancel)
        self.taken.append(measured)
        return measured
