"""The fourth layer: who really answers, host by host.

An Istio gateway learns new weights a moment after they were set. Each host is asked until the answers show that it
has, and only then is it measured, from nothing: what was asked before counts only as far as it failed.

Who answers is read from each answer where the application says so, as the demo's does. For any other application the
gateway's own counters say it, which count everybody's requests on the same route.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace

from canarylab.contract.context import Context
from canarylab.contract.step import Claim
from canarylab.demo.traffic.answers import miss_notice, plausible, share
from canarylab.demo.traffic.client import Target
from canarylab.demo.traffic.diagnosis import request_of, why_failed
from canarylab.demo.traffic.measure import Measurement, measure, usual_pace
from canarylab.demo.traffic.pace import Pace
from canarylab.demo.traffic.statistics import attempts
from canarylab.demo.waiting import ask_until
from canarylab.errors import ExpectationError, StageError
from canarylab.events import Notice
from canarylab.kube.client import ApiError
from canarylab.rollouts.routes.backends import Backends
from canarylab.rollouts.routes.match import Request
from canarylab.rollouts.routes.proxies import Proxies
from canarylab.rollouts.view import RolloutView

_PROBE = 100
"""Requests in one look whether the gateway routes by the new weights yet."""
_SPENT = 0.5
"""The part of a host's time that its first measurement may take: one that misses is measured again."""
_SETTLE_SECONDS = 10.0
_COUNTED_SECONDS = 2.0
"""How long a gateway may take to have counted what it has answered."""


@dataclass
class HostMeasurements:
    """All measurements of a step, under one deadline (a point of time.monotonic())."""

    ctx: Context
    view: RolloutView
    proxies: Proxies
    backends: Backends
    deadline: float
    hosts: int = 1
    """How many are to be measured until then."""
    taken: list[Measurement] = field(default_factory=list)
    _silent: set[Target] = field(default_factory=set)
    """Hosts whose answers don't say who gave them."""
    _pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        self._pace = usual_pace(self.ctx)

    def share(self, target: Target, percent: int, requests: int) -> Claim:
        """The canary's share at one host, once it is believed, or the rule gives it up; each miss is said at once."""
        self._settle(target, percent)
        first, *again = attempts(self._affordable(target, requests))
        taken = [self.measure(target, first)]
        for more in again:
            claim = share(taken, percent, self.view)
            if claim.holds or claim.permanent:
                return claim
            self.ctx.emit(Notice(miss_notice(taken[-1], percent, self.view, more)))
            taken.append(self.measure(target, more))
        return share(taken, percent, self.view)

    def _affordable(self, target: Target, requests: int) -> int:
        """Fewer where answers come so slowly that there is no time for as many at each host that is left."""
        seconds, self.hosts = max(0.0, self.deadline - time.monotonic()) / max(1, self.hosts), self.hosts - 1
        rate = self.taken[-1].rate
        fits = max(_PROBE, int(rate * seconds * _SPENT))
        if fits >= requests:
            return requests
        few = f"{fits:,} requests instead of {requests:,}"
        self.ctx.emit(Notice(f"{target}: {rate:.1f} answers/s, and {seconds:.0f} s for this host: {few}"))
        return fits

    def glance(self, target: Target, percent: int, requests: int) -> Claim:
        """The same from a few requests, for what is known to be wrong elsewhere."""
        return share([self.measure(target, min(requests, _PROBE))], percent, self.view)

    def _settle(self, target: Target, percent: int) -> None:
        """Ask until the answers look right, for some seconds at most; otherwise the measurement will show it."""
        end = self.ctx.cancel.now() + self.ctx.patient(_SETTLE_SECONDS)

        def done(seen: Measurement) -> bool:
            return plausible(seen, percent, self.view) and (not target.by_connection or self._everybody(seen))

        while not done(self.measure(target, _PROBE)) and self.ctx.cancel.now() < end:
            self.ctx.progress(f"{target}: waiting for the gateway to route by the new weights")

    def _everybody(self, seen: Measurement) -> bool:
        """Whether every pod answers and no other: kube-proxy learns of pods up to its minSyncPeriod, 1 s, later.

        Until then a share is right for the pods of before: 3 of 4 instead of 4 of 5 are too near to tell by a few.
        """
        in_use = [revision for revision in self.view.revisions if revision.role]
        pods = {pod.name for revision in in_use for pod in revision.pods if not pod.terminating}
        return "" in seen.pods or set(seen.pods) == pods

    def measure(self, target: Target, requests: int) -> Measurement:
        """Who answers so many requests, as the answers say; where they don't, the gateway's counters do.

        These are asked until they have counted as many as were answered.
        """
        if target not in self._silent:
            measured = self._asked(target, requests)
            if set(measured.revisions) != {""} or not self.proxies:
                return measured
            self._silent.add(target)
        request = request_of(target)
        before, measured = self._counters(request), self._asked(target, requests)

        def enough(counted: Counter[str]) -> bool:
            return counted.total() >= measured.answered

        counted = ask_until(self.ctx, lambda: self._counters(request) - before, enough, _COUNTED_SECONDS)
        return replace(measured, revisions=counted, counted_by_gateway=True)

    def _asked(self, target: Target, requests: int) -> Measurement:
        self.ctx.progress(f"{target}: {requests:,} requests")
        status, why = self.ctx.command("status"), why_failed(self.ctx)
        before = str(self._pace)
        measured = measure(
            target, requests, deadline=self.deadline, cancel=self.ctx.cancel, status=status, why=why, pace=self._pace
        )
        if (said := str(self._pace)) and said != before:
            self.ctx.emit(Notice(f"{target}: {said}"))
        self.taken.append(measured)
        return measured

    def _counters(self, request: Request) -> Counter[str]:
        try:
            return self.proxies.counts(request, self.backends)
        except (ApiError, StageError) as error:
            why = f"{error.what}; the answers don't say who gave them, so they are needed"
            what, remedy = "the gateway's counters can't be read", error.next_step
            raise ExpectationError(what, where=error.where, why=why, remedy=remedy) from error
