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
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from canarylab.cancel import Cancel
from canarylab.demo.traffic.client import (
    TIMEOUT,
    Answer,
    Connection,
    RequestFailedError,
    Target,
    ask_once,
    likely_cause,
)
from canarylab.errors import ExpectationError

CONCURRENCY = 16
REQUEST_TIMEOUT = 5.0
GIVE_UP_AFTER = 20
"""If that many requests fail at the start, the rest would, too."""
_SAMPLES = 5


@dataclass(frozen=True)
class Measurement:
    """What was counted at one target. A request counts as failed without an answer and with any status but 200."""

    target: Target
    requests: int
    seconds: float
    revisions: Mapping[str, int]
    """Answers by pod-template-hash of the pod that gave them, failed ones included; "" where a pod didn't say."""
    colors: Mapping[str, int]
    pods: Mapping[str, int]
    statuses: Mapping[int, int]
    failures: Mapping[str, int]
    """Failed requests by kind."""
    samples: tuple[str, ...]
    """The first failures in words, with the seconds since the start."""
    latencies: tuple[float, ...]
    """Seconds each answer took, in ascending order."""
    counted_by_gateway: bool = False
    """Whether `revisions` is what the gateway counted, since the answers don't say it."""
    failed_by: Mapping[str, int] = field(default_factory=dict)
    """Failed requests by who answered; "" where nobody did, or didn't say."""

    @property
    def failed(self) -> int:
        """Failed requests of every kind."""
        return sum(self.failures.values())

    @property
    def answered(self) -> int:
        """Answers that a pod gave."""
        return sum(self.revisions.values())

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """The latency in seconds that so many percent of the answers didn't exceed; 0 without answers."""
        if not self.latencies:
            return 0.0
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * percent / 100))]

    @property
    def pace(self) -> str:
        """Rate and latencies in one phrase."""
        half, most, worst = (1000 * self.percentile(percent) for percent in (50, 99, 100))
        return f"{self.rate:,.0f} requests/s, latency {half:.1f} ms median, {most:.1f} ms p99, {worst:.1f} ms at most"

    @property
    def commonest_failure(self) -> str:
        """The kind of most failures, "" if there was none."""
        return max(self.failures, key=lambda kind: self.failures[kind], default="")


class Tally:
    """Counts the answers and failures of one target as they come."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.done = 0
        self._started = time.monotonic()
        self._revisions: Counter[str] = Counter()
        self._colors: Counter[str] = Counter()
        self._pods: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._failures: Counter[str] = Counter()
        self._failed_by: Counter[str] = Counter()
        self._samples: list[str] = []
        self._latencies: list[float] = []

    @property
    def hopeless(self) -> bool:
        """Whether nothing but failures came so far, and enough of them to stop."""
        return self.done >= GIVE_UP_AFTER and self._failures.total() == self.done

    async def take(self, request: Callable[[], Coroutine[Any, Any, Answer]], timeout: float) -> Answer | None:
        """Make a request and count its outcome; None if there was no answer."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                answer = await request()
        except RequestFailedError as failure:
            self._fail(failure.kind, str(failure))
            return None
        except TimeoutError:
            self._fail(TIMEOUT, f"no answer in {timeout:g} s")
            return None
        self._latencies.append(time.monotonic() - began)
        self._count(answer)
        return answer

    def _count(self, answer: Answer) -> None:
        self._statuses[answer.status] += 1
        if answer.revision or not answer.failure:
            self._revisions[answer.revision] += 1
            self._colors[answer.color] += 1
            self._pods[answer.pod] += 1
        if answer.failure:
            self._fail(answer.failure, answer.failure, answer.revision)
        else:
            self.done += 1

    def _fail(self, kind: str, words: str, revision: str = "") -> None:
        self.done += 1
        self._failures[kind] += 1
        self._failed_by[revision] += 1
        if len(self._samples) < _SAMPLES:
            self._samples.append(f"{self.target}, after {time.monotonic() - self._started:.1f} s: {words}")

    def result(self) -> Measurement:
        """What was counted until now."""
        return Measurement(
            self.target,
            self.done,
            time.monotonic() - self._started,
            dict(self._revisions),
            dict(self._colors),
            dict(self._pods),
            dict(self._statuses),
            dict(self._failures),
            tuple(self._samples),
            tuple(sorted(self._latencies)),
            failed_by=dict(self._failed_by),
        )


def measure(
    target: Target,
    requests: int,
    *,
    deadline: float,
    cancel: Cancel,
    concurrency: int = CONCURRENCY,
    timeout: float = REQUEST_TIMEOUT,
) -> Measurement:
    """Send so many requests and count the answers.

    `deadline` is a point of time.monotonic() for all of them, `timeout` is in seconds for each. Raises
    ExpectationError at the deadline or when none of the first requests succeeds, CancelledError on Ctrl-C.
    """
    tally = Tally(target)
    workers = _Workers(tally, requests, timeout)
    try:
        asyncio.run(_until(deadline, cancel, workers.work(min(concurrency, requests))))
    except TimeoutError as late:
        raise ExpectationError(
            f"only {tally.done:,} of {requests:,} requests were answered in time",
            where=str(target),
            why=f"{tally.result().pace}; the deadline is too soon for that many, or the gateway is slow",
            remedy="give the step a longer `timeout`, or fewer `requests`",
        ) from late
    except asyncio.CancelledError:
        cancel.check()
        raise
    return _with_any_success(tally.result())


async def _until(deadline: float, cancel: Cancel, work: Coroutine[Any, Any, None]) -> None:
    """Run `work`, ended by the deadline (TimeoutError) or by Ctrl-C (asyncio.CancelledError)."""
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()

    def interrupt() -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended at this very moment
            loop.call_soon_threadsafe(task.cancel)

    unsubscribe = cancel.subscribe(interrupt)
    if cancel.is_set:
        task.cancel()
    try:
        await asyncio.wait_for(task, max(0.0, deadline - time.monotonic()))
    finally:
        unsubscribe()


class _Workers:
    """Workers that share out a number of requests."""

    def __init__(self, tally: Tally, requests: int, timeout: float) -> None:
        self._tally = tally
        self._left = requests
        self._timeout = timeout

    async def work(self, workers: int) -> None:
        target = self._tally.target
        work = self._ask_by_connection if target.tls or target.by_connection else self._ask_by_request
        await asyncio.gather(*(work() for _ in range(workers)))

    def _take_next(self) -> bool:
        """Take one of the requests left; False if there is none, or no use in it."""
        if self._left == 0 or self._tally.hopeless:
            return False
        self._left -= 1
        return True

    async def _ask_by_connection(self) -> None:
        while self._take_next():
            await self._tally.take(lambda: ask_once(self._tally.target), self._timeout)

    async def _ask_by_request(self) -> None:
        connection = _KeptAliveConnection(self._tally.target)
        try:
            while self._take_next():
                answer = await self._tally.take(connection.ask, self._timeout)
                if answer is None or not answer.keep_alive:
                    connection.close()
        finally:
            connection.close()


class _KeptAliveConnection:
    """A connection that is opened when needed."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection: Connection | None = None

    async def ask(self) -> Answer:
        if self._connection is None:
            self._connection = await Connection.open(self._target)
        return await self._connection.ask(last=False)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _with_any_success(measured: Measurement) -> Measurement:
    """The measurement itself. Raises ExpectationError with the likely cause if every request failed."""
    if measured.failed < measured.requests:
        return measured
    kind = measured.commonest_failure
    raise ExpectationError(
        f"the first {measured.requests:,} requests all failed: {kind}",
        where=f"{measured.target} at {measured.target.address}:{measured.target.port}",
        why=likely_cause(kind, measured.target) or "; ".join(measured.samples),
        remedy="`invoke status` shows the gateway, its address and the routes",
    )
