"""The step `expect-error-rate`: which share of the users' requests fails, as the background traffic sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.playbook import Seconds
from canarylab.contract.step import Claim, RolloutOptions, Session, Step, StepOptions
from canarylab.demo.preconditions import misplaced
from canarylab.demo.traffic.background import NAME, Background
from canarylab.demo.traffic.client import Why
from canarylab.demo.traffic.diagnosis import why_failed
from canarylab.demo.traffic.error_rate import (
    as_expected,
    at_most,
    clean_since,
    none_failed,
    of_canary,
    recovered,
    seconds_to_recover,
)
from canarylab.demo.traffic.statistics import attempts
from canarylab.demo.traffic.timeline import FailureMode, Period
from canarylab.errors import ExpectationError
from canarylab.events import Notice
from canarylab.rollouts.view import read_rollout


class ExpectErrorRateOptions(RolloutOptions):
    """Which error rate the background traffic should see; the canary of that Rollout may fail."""

    percent: float = Field(
        0, ge=0, lt=100, description="share of requests that fail: the canary's weight times its own"
    )
    requests: int = Field(500, ge=100, description="requests to look at, at first")
    within: Seconds = Field(5, description="after failures were expected: how long after the abort there may be some")
    timeout: Seconds = Field(300, description="how long it may take until so many requests were answered")


class ExpectErrorRate(Step):
    """Judges every background request since the last step of this kind, or since the traffic began.

    At 0 %, the default, not one of them failed. At more, so many fail from now on, no more did on the way, and the
    canary alone gave those answers. After more, 0 % is the recovery: the last failed answer came so many seconds after
    the last step `abort` at the latest (after this step began, where nobody but the controller aborted).

    Each share is believed by the rule in `canarylab.demo.traffic.statistics`.
    """

    kind: ClassVar[str] = "expect-error-rate"
    Options: ClassVar[type[StepOptions]] = ExpectErrorRateOptions
    options: ExpectErrorRateOptions

    def run(self, ctx: Context, session: Session) -> None:
        background = session.find(NAME, Background)
        if background is None:
            first = "put `traffic: {state: start, ...}` before it"
            raise misplaced(self, "there is no traffic whose errors could be counted", first)
        if self.options.percent > 0:
            claims = self._failing(ctx, background)
        elif background.expected_error_rate > 0:
            claims = self._recovering(ctx, background)
        else:
            claims = self._faultless(ctx, background)
        background.expected_error_rate = self.options.percent
        self.report(ctx, claims)

    def _faultless(self, ctx: Context, background: Background) -> list[Claim]:
        self._wait(ctx, background, lambda period: period.failed > 0 or period.total >= self.options.requests)
        return [none_failed(background.timeline.cut(), "error rate: not one request failed", why_failed(ctx))]

    def _failing(self, ctx: Context, background: Background) -> list[Claim]:
        percent, why = self.options.percent, why_failed(ctx)
        way, measured = background.timeline.cut(), self._measured(ctx, background)
        canary_s = self._of_canary(ctx, [way, *measured], why)
        return [at_most(way, percent, why), as_expected(measured, percent, why), canary_s]

    def _measured(self, ctx: Context, background: Background) -> list[Period]:
        """Measure until the rate is believed, or the rule gives it up; a miss on the way is reported at once."""
        first, *again = attempts(self.options.requests)
        taken = [self._answered(ctx, background, first)]
        for requests in again:
            claim = as_expected(taken, self.options.percent)
            if claim.holds:
                break
            ctx.emit(Notice(f"{claim}; one in twenty misses by chance: measuring again, with {requests:,} requests"))
            taken.append(self._answered(ctx, background, requests))
        return taken

    def _answered(self, ctx: Context, background: Background, requests: int) -> Period:
        self._wait(ctx, background, lambda period: period.total >= requests)
        return background.timeline.cut()

    def _recovering(self, ctx: Context, background: Background) -> list[Claim]:
        requests, within = self.options.requests, self.options.within
        if background.timeline.so_far().moment is None:
            background.timeline.note(self.kind)
        self._wait(ctx, background, lambda period: period.good >= requests or seconds_to_recover(period) > within)
        period, why = background.timeline.cut(), why_failed(ctx)
        canary_s = self._of_canary(ctx, [period], why)
        return [recovered(period, within, why), clean_since(period, requests, why), canary_s]

    def _wait(self, ctx: Context, background: Background, enough: Callable[[Period], bool]) -> None:
        """Wait for background requests. Raises ExpectationError if they don't come in time."""
        period = background.wait(ctx, enough, self.options.timeout)
        if not enough(period):
            raise ExpectationError(
                f"only {period.total:,} background requests were answered in {ctx.patient(self.options.timeout):g} s",
                where=f"demo step {self.kind}",
                why="; ".join(period.samples) or None,
                remedy="give the step a longer `timeout` or fewer `requests`, or start `traffic` with a higher `rate`",
            )

    def _of_canary(self, ctx: Context, periods: Sequence[Period], why: Why) -> Claim:
        view = read_rollout(ctx, self.options.namespace, self.options.rollout)
        failures = sum((period.failures for period in periods), Counter[FailureMode]())
        canary = view.canary.hash if view.canary else ""
        return of_canary(failures, canary, {one.hash: str(one) for one in view.revisions}, why)
