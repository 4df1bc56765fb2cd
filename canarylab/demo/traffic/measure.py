"""Measures traffic: sends requests to one host through the gateway and counts who answers.

What is one decision of the gateway differs by protocol. Over HTTP its Envoy chooses a destination for each request,
so connections are kept alive, which is fast and measures the same. Over TLS it passes bytes through unread and
chooses once for each connection, and so does kube-proxy where there is no gateway: then every request opens its own, as
a kept-alive one would measure nothing.

Latencies are seconds from the question to the end of its answer, for TLS with connecting and handshake.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from canarylab.cancel import Cancel
from canarylab.contract.context import Context
from canarylab.demo.traffic.client import REQUEST_TIMEOUT, Answer, Connection, Target, Why, likely_cause
from canarylab.demo.traffic.pace import Pace
from canarylab.errors import ExpectationError

CONCURRENCY = 16
GIVE_UP_AFTER = 20
"""If that many requests fail at the start, the rest would, too."""
_GIVE_UP_AFTER_TIMEOUTS = 2
"""So do those after the ones that waited in vain for so many times the longest time."""
_MOMENT = 0.02
"""Seconds between two looks whether there is a place."""
_SAMPLES = 5


@dataclass
class Measurement:
    """What was counted at one target. A request counts as failed without an answer and with any status but 200."""

    target: Target
    requests: int = 0
    seconds: float = 0.0
    """From the start to the last of them, or to the deadline."""
    revisions: Counter[str] = field(default_factory=Counter)
    """Answers by pod-template-hash of the pod that gave them, failed ones included; "" where a pod didn't say."""
    colors: Counter[str] = field(default_factory=Counter)
    pods: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    """Failed requests by kind."""
    failed_by: Counter[str] = field(default_factory=Counter)
    """Failed requests by who answered; "" where nobody did, or didn't say."""
    samples: list[str] = field(default_factory=list)
    """The first failures in words, with the seconds since the start."""
    latencies: list[float] = field(default_factory=list)
    """Seconds each answer took."""
    counted_by_gateway: bool = False
    """Whether `revisions` is what the gateway counted, since the answers don't say it."""

    def count(self, answer: Answer, latency: float, since: float) -> None:
        """Count a request that was answered, or failed, after so many seconds, and so many since the start."""
        self.requests += 1
        if answer.status:
            self.statuses[answer.status] += 1
            self.latencies.append(latency)
        if answer.revision or not answer.failure:
            self.revisions[answer.revision] += 1
            self.colors[answer.color] += 1
            self.pods[answer.pod] += 1
        if answer.failure:
            self.failures[answer.failure] += 1
            self.failed_by[answer.revision] += 1
            if len(self.samples) < _SAMPLES:
                self.samples.append(f"{self.target}, after {since:.1f} s: {answer.words}")

    @property
    def failed(self) -> int:
        """Failed requests of every kind."""
        return self.failures.total()

    @property
    def answered(self) -> int:
        """Answers that a pod gave."""
        return self.revisions.total()

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """The latency in seconds that so many percent of the answers didn't exceed; 0 without answers."""
        if not self.latencies:
            return 0.0
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(len(self.latencies) * percent / 100))]

    @property
    def pace(self) -> str:
        """Rate and latencies in one phrase."""
        half, most, worst = (1000 * self.percentile(percent) for percent in (50, 99, 100))
        return f"{self.rate:,.0f} requests/s, latency {half:.1f} ms median, {most:.1f} ms p99, {worst:.1f} ms at most"

    @property
    def commonest_failure(self) -> str:
        """The kind of most failures, "" if there was none."""
        return max(self.failures, key=lambda kind: self.failures[kind], default="")


def measure(
    target: Target,
    requests: int,
    *,
    deadline: float,
    cancel: Cancel,
    status: str,
    pace: Pace,
    why: Why = likely_cause,
) -> Measurement:
    """Send so many requests and count the answers.

    `deadline` is a point of time.monotonic() for all of them, `pace` says how many are under way at once and how long
    each may take; `status` is the command that shows the gateway. Raises ExpectationError at the deadline or when none
    of the first requests succeeds, CancelledError on Ctrl-C.
    """
    cancel.check()
    asking = _Asking(Measurement(target), pace, requests)
    measured, began = asking.measured, asking.began
    try:
        asyncio.run(_until(deadline, cancel, asking.all()))
    except TimeoutError as late:
        measured.seconds = time.monotonic() - began
        raise ExpectationError(
            f"only {measured.requests:,} of {requests:,} requests were answered in time",
            where=str(target),
            why=f"{measured.pace}; most likely the time is too short for that many, or the gateway or what is behind "
            "it is slow",
            remedy="give the step a longer `timeout`, or fewer `requests`",
        ) from late
    except asyncio.CancelledError:
        cancel.check()
        raise
    measured.seconds = time.monotonic() - began
    if measured.failed == measured.requests:
        raise _all_failed(measured, status, why)
    return measured


def usual_pace(ctx: Context) -> Pace:
    """For a cluster of which nothing is known yet."""
    return Pace(CONCURRENCY, ctx.patient(REQUEST_TIMEOUT))


@dataclass
class _Asking:
    """As many workers as the pace may have places for, which take one turn after the other."""

    measured: Measurement
    pace: Pace
    turns: int
    began: float = field(default_factory=time.monotonic)
    under_way: int = 0

    async def all(self) -> None:
        while self.turns and not self._is_hopeless():
            await asyncio.gather(*(self._work() for _ in range(min(self.pace.most, self.turns))))

    async def _work(self) -> None:
        """Until no turn is left, or no use in it."""
        target = self.measured.target
        with contextlib.closing(Connection(target)) as connection:
            while self.turns and not self._is_hopeless():
                if self.under_way >= self.pace.at_once:
                    await asyncio.sleep(_MOMENT)
                    continue
                self.turns, self.under_way = self.turns - 1, self.under_way + 1
                asked = time.monotonic()
                answer = await connection.ask(last=target.tls or target.by_connection, timeout=self.pace.timeout)
                now, self.under_way = time.monotonic(), self.under_way - 1
                self.measured.count(answer, now - asked, now - self.began)
                self.pace.took(asked, now)

    def _is_hopeless(self) -> bool:
        """Whether so many were asked, or for so long, and not one succeeded."""
        if not self.measured.requests or self.measured.failed < self.measured.requests:
            return False
        waited = time.monotonic() - self.began >= _GIVE_UP_AFTER_TIMEOUTS * self.pace.timeout
        return waited or self.measured.failed >= GIVE_UP_AFTER


async def _until(deadline: float, cancel: Cancel, asking: Coroutine[Any, Any, None]) -> None:
    """Let them ask, ended by the deadline (TimeoutError) or by Ctrl-C (asyncio.CancelledError)."""
    work, loop = asyncio.ensure_future(asking), asyncio.get_running_loop()

    def interrupt() -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended at this very moment
            loop.call_soon_threadsafe(work.cancel)

    unsubscribe = cancel.subscribe(interrupt)
    try:
        await asyncio.wait_for(work, max(0.0, deadline - time.monotonic()))
    finally:
        unsubscribe()


def _all_failed(measured: Measurement, status: str, why: Why) -> ExpectationError:
    kind = measured.commonest_failure
    return ExpectationError(
        f"the first {measured.requests:,} requests all failed: {kind}",
        where=f"{measured.target} at {measured.target.address}:{measured.target.port}",
        why=why(kind, measured.target) or "; ".join(measured.samples),
        remedy=f"`{status}` shows the gateway, its address and the routes",
    )
