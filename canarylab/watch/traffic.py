"""Requests per second and their shares, from counters that only ever grow. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

WINDOW = 60.0
"""Seconds over which shares are counted at most."""
_SETTLING = 1.0
"""Seconds after a change of the split that aren't counted: its news has to reach the proxies first."""
_RATE_WINDOW = 5.0
"""Seconds over which requests per second are averaged: steady enough to be read, short enough to follow a change."""

Key = tuple[str, str, str]
"""Which counter it is: the gateway's pod as in `Reading.gateways`, Envoy's cluster, the address."""


@dataclass(frozen=True)
class Counted:
    """What one counter of a proxy stands at for one address."""

    address: str
    requests: int
    errors: int


@dataclass(frozen=True)
class Reading:
    """All counters of all gateways at one moment. `problem` says why there are none; "" where there are."""

    counters: Mapping[Key, Counted] = field(default_factory=dict)
    gateways: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Flow:
    """What went to one revision: `rate` in requests per second, `share` in percent of all, both of the last seconds.

    `history` has the requests of each second, the newest last.
    """

    rate: float
    requests: int
    errors: int
    share: float
    history: tuple[int, ...]


@dataclass(frozen=True)
class GatewayTraffic:
    """What the gateways counted in the last `seconds`, by revision (its hash); `pods` has requests per second by IP."""

    problem: str = "counting"
    """Why there are no figures; "" where there are."""
    gateways: tuple[str, ...] = ()
    seconds: float = 0.0
    rate: float = 0.0
    requests: int = 0
    errors: int = 0
    flows: Mapping[str, Flow] = field(default_factory=dict)
    pods: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Grown(Counted):
    """What one pod got between two readings. Its revision is kept here, as the pod may be gone soon."""

    revision: str


@dataclass(frozen=True)
class _Tick:
    """The time from one reading to the next, which came `at`."""

    at: float
    seconds: float
    pods: Sequence[_Grown]


class Meter:
    """Turns readings into traffic. When the split changes, shares are counted anew: the old ones say nothing of it."""

    def __init__(self) -> None:
        self._split: Hashable = None
        self._since = float("-inf")
        self._last = Reading()
        self._last_at: float | None = None
        self._revisions: Mapping[str, str] = {}
        self._gateways: tuple[str, ...] = ()
        self._problem = GatewayTraffic.problem
        self._ticks: deque[_Tick] = deque()

    def expect(self, split: Hashable, now: float) -> None:
        """What is equal as long as the traffic should be split alike; `now` is in seconds of any clock that goes on."""
        if self._split is not None and split != self._split:
            self._since = now + _SETTLING
        self._split = split

    def add(self, reading: Reading, revisions: Mapping[str, str], now: float) -> None:
        """A reading at `now`, and the revision (its hash) behind each address; other addresses aren't looked at."""
        self._revisions, self._gateways, self._problem = revisions, reading.gateways, reading.problem
        if reading.problem:
            return
        if not any(counted.address in revisions for counted in reading.counters.values()):
            self._problem = "no gateway sends requests to it"
        if self._last_at is not None:
            self._ticks.append(_Tick(now, now - self._last_at, tuple(self._grown(reading))))
        self._last, self._last_at = reading, now
        while self._ticks and self._ticks[0].at <= now - WINDOW:
            self._ticks.popleft()

    def _grown(self, reading: Reading) -> Iterator[_Grown]:
        """A counter that is new, or has shrunk, began at nothing; when that of a new gateway did, nobody knows."""
        for key, counted in reading.counters.items():
            if key[0] not in self._last.gateways or counted.address not in self._revisions:
                continue
            before = self._last.counters.get(key)
            if before is None or before.requests > counted.requests:
                before = Counted(counted.address, 0, 0)
            requests, errors = counted.requests - before.requests, max(0, counted.errors - before.errors)
            yield _Grown(counted.address, requests, errors, self._revisions[counted.address])

    def traffic(self) -> GatewayTraffic:
        """What the readings until now amount to."""
        if self._problem or not self._ticks:
            return GatewayTraffic(self._problem or GatewayTraffic.problem, self._gateways)
        counted = [tick for tick in self._ticks if tick.at - tick.seconds >= self._since]
        recent = [tick for tick in self._ticks if tick.at > self._ticks[-1].at - _RATE_WINDOW]
        requests, errors = _sum(counted)
        seen = {*self._revisions.values(), *(pod.revision for tick in self._ticks for pod in tick.pods)}
        return GatewayTraffic(
            problem="",
            gateways=self._gateways,
            seconds=sum(tick.seconds for tick in counted),
            rate=_rate(recent),
            requests=requests,
            errors=errors,
            flows={revision: self._flow(revision, counted, recent) for revision in seen},
            pods={pod.address: _rate(recent, address=pod.address) for pod in self._ticks[-1].pods},
        )

    def _flow(self, revision: str, counted: Sequence[_Tick], recent: Sequence[_Tick]) -> Flow:
        requests, errors = _sum(counted, revision=revision)
        every, _ = _sum(counted)
        return Flow(
            rate=_rate(recent, revision=revision),
            requests=requests,
            errors=errors,
            share=100 * requests / every if every else 0.0,
            history=tuple(round(_rate([tick], revision=revision)) for tick in self._ticks),
        )


def _sum(ticks: Iterable[_Tick], *, revision: str = "", address: str = "") -> tuple[int, int]:
    """Requests and errors: all, or those of a revision or an address."""
    pods = [
        pod for tick in ticks for pod in tick.pods if revision in ("", pod.revision) and address in ("", pod.address)
    ]
    return sum(pod.requests for pod in pods), sum(pod.errors for pod in pods)


def _rate(ticks: Sequence[_Tick], *, revision: str = "", address: str = "") -> float:
    requests, _ = _sum(ticks, revision=revision, address=address)
    return requests / sum(tick.seconds for tick in ticks)
