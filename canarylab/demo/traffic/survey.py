"""The fourth layer: who really answers, host by host.

An Istio gateway learns new weights a moment after they were set. Each host is asked until the answers show that it
has, and only then is it measured, from nothing: what was asked before counts only as far as it failed.

Who answers is read from each answer where the application says so, as the demo's does. For any other application the
gateway's own counters say it, which count everybody's requests on the same route.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from canarylab.contract.step import Claim
from canarylab.demo.traffic.answers import Revisions, exact, miss_notice, plausible, weighted
from canarylab.demo.traffic.client import Target
from canarylab.demo.traffic.measure import Measurement, measure
from canarylab.demo.traffic.statistics import attempts
from canarylab.errors import ExpectationError, StageError
from canarylab.events import Notice
from canarylab.kube.client import ApiError
from canarylab.rollouts.routes.backends import Backends
from canarylab.rollouts.routes.match import Request
from canarylab.rollouts.routes.proxies import Proxies

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_PROBE = 100
"""Requests in one look whether the gateway routes by the new weights yet."""
_SETTLE_SECONDS = 10.0
_COUNTED_SECONDS = 2.0
"""How long a gateway may take to have counted what it has answered."""
_ASK_AGAIN = 0.05
_ALL = 100


def request_of(target: Target) -> Request:
    """What a request to the target looks like to routes."""
    headers = {name.lower(): value for name, value in target.headers}
    path, _, _ = target.path.partition("?")
    return Request(target.host, path, headers, target.tls, target.gateway_port or target.port)


class Survey:
    """All measurements of a step, under one deadline (a point of time.monotonic())."""

    def __init__(
        self, ctx: Context, revisions: Revisions, proxies: Proxies, backends: Backends, deadline: float
    ) -> None:
        self._ctx = ctx
        self._revisions = revisions
        self._proxies = proxies
        self._backends = backends
        self._deadline = min(deadline, ctx.deadline)
        self._silent: set[Target] = set()
        """Hosts whose answers don't say who gave them."""
        self.taken: list[Measurement] = []

    def share(self, target: Target, percent: int, requests: int) -> Claim:
        """The canary's share at one host: by interval, at 0 and at 100 exactly."""
        revisions = self._revisions
        if percent in (0, _ALL):
            only = revisions.stable if percent == 0 else revisions.canary
            self._settle(target, lambda seen: set(seen.revisions) == {only})
            return exact(self.measure(target, requests), only, revisions)
        self._settle(target, lambda seen: plausible(seen, percent, revisions))
        return self._weighted(target, percent, requests)

    def _weighted(self, target: Target, percent: int, requests: int) -> Claim:
        """Measure until the weight is believed, or the rule gives it up; each miss is reported at once."""
        first, *again = attempts(requests)
        taken = [self.measure(target, first)]
        for more in again:
            claim = weighted(taken, percent, self._revisions)
            if claim.holds or claim.hopeless:
                return claim
            self._ctx.emit(Notice(miss_notice(taken[-1], percent, self._revisions, more)))
            taken.append(self.measure(target, more))
        return weighted(taken, percent, self._revisions)

    def _settle(self, target: Target, settled: Callable[[Measurement], bool]) -> None:
        """Ask until the answers look right, for some seconds at most; otherwise the measurement will show it."""
        end = self._ctx.cancel.now() + _SETTLE_SECONDS

        def done(seen: Measurement) -> bool:
            return settled(seen) and (not target.by_connection or self._everybody(seen))

        while not done(self.measure(target, _PROBE)) and self._ctx.cancel.now() < end:
            self._ctx.progress(f"{target}: waiting for the gateway to route by the new weights")

    def _everybody(self, seen: Measurement) -> bool:
        """Whether every pod answers and no other: kube-proxy learns of pods up to its minSyncPeriod, 1 s, later.

        Until then a share is right for the pods of before: 3 of 4 instead of 4 of 5 are too near to tell by a few.
        """
        return "" in seen.pods or set(seen.pods) == self._revisions.pods

    @property
    def sent(self) -> int:
        """Requests sent by all measurements so far, whether answered or not."""
        return sum(one.requests for one in self.taken)

    def answered_by(self, revision: str) -> int:
        """Of all that was sent so far, so many answers said that they are of that revision."""
        return sum(one.revisions.get(revision, 0) for one in self.taken)

    def glance(self, target: Target, percent: int, requests: int) -> Claim:
        """The same from a few requests, for what is known to be wrong elsewhere."""
        measured = self.measure(target, min(requests, _PROBE))
        if percent in (0, _ALL):
            only = self._revisions.stable if percent == 0 else self._revisions.canary
            return exact(measured, only, self._revisions)
        return weighted([measured], percent, self._revisions)

    def measure(self, target: Target, requests: int) -> Measurement:
        """Who answers so many requests, as the answers say; where they don't, the gateway's counters do."""
        if target not in self._silent:
            measured = self._asked(target, requests)
            if set(measured.revisions) != {""} or not self._proxies:
                return measured
            self._silent.add(target)
        before = self._counters(request_of(target))
        measured = self._asked(target, requests)
        counted = self._counted(request_of(target), before, measured.answered)
        return replace(measured, revisions=counted, counted_by_gateway=True)

    def _asked(self, target: Target, requests: int) -> Measurement:
        self._ctx.progress(f"{target}: {requests:,} requests")
        measured = measure(target, requests, deadline=self._deadline, cancel=self._ctx.cancel)
        self.taken.append(measured)
        return measured

    def _counted(self, request: Request, before: Counter[str], answered: int) -> dict[str, int]:
        """Whom the gateway sent requests since `before`, once it has counted as many as were answered."""
        end = self._ctx.cancel.now() + _COUNTED_SECONDS
        while True:
            counted = self._counters(request) - before
            if counted.total() >= answered or self._ctx.cancel.now() > end:
                return dict(counted)
            self._ctx.cancel.sleep(_ASK_AGAIN)

    def _counters(self, request: Request) -> Counter[str]:
        try:
            return self._proxies.counts(request, self._backends)
        except (ApiError, StageError) as error:
            why = f"{error}; the answers don't say who gave them, so they are needed"
            raise ExpectationError("the gateway's counters can't be read", where=error.where, why=why) from error
