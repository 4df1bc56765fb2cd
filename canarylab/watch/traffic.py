"""Requests per second and their shares, from counters that only ever grow. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
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
class Traffic:
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
class _Tick:
    """Requests and errors between two readings, by address."""

    at: float
    seconds: float
    counts: Mapping[str, tuple[int, int]]


class Meter:
    """Turns readings into traffic. When the split changes, shares are counted anew: the old ones say nothing of it."""

    def __init__(self) -> None:
        self._last: Mapping[Key, Counted] = {}
        self._last_at: float | None = None
        self._known: tuple[str, ...] = ()
        self._split: Hashable = None
        self._since = float("-inf")
        self._ticks: deque[_Tick] = deque()
        self._reading = Reading(problem=Traffic.problem)

    def expect(self, split: Hashable, now: float) -> None:
        """What is equal as long as the traffic should be split alike; `now` is in seconds of any clock that goes on."""
        if self._split is not None and split != self._split:
            self._since = now + _SETTLING
        self._split = split

    def add(self, reading: Reading, now: float) -> None:
        """A reading at `now`."""
        self._reading = reading
        if reading.problem:
            return
        if self._last_at is not None:
            self._ticks.append(_Tick(now, now - self._last_at, self._grown(reading)))
        self._last, self._last_at, self._known = reading.counters, now, reading.gateways
        while self._ticks and self._ticks[0].at <= now - WINDOW:
            self._ticks.popleft()

    def _grown(self, reading: Reading) -> Mapping[str, tuple[int, int]]:
        """By address. A counter that is new, or has shrunk, began at nothing; of a new gateway nobody knows when."""
        grown: dict[str, tuple[int, int]] = {}
        for key, counted in reading.counters.items():
            if key[0] not in self._known:
                continue
            before = self._last.get(key)
            if before is None or before.requests > counted.requests:
                before = Counted(counted.address, 0, 0)
            requests, errors = grown.get(counted.address, (0, 0))
            grown[counted.address] = (
                requests + counted.requests - before.requests,
                errors + max(0, counted.errors - before.errors),
            )
        return grown

    def traffic(self, revisions: Mapping[str, str]) -> Traffic:
        """What went where, given the revision (its hash) behind each address. Other addresses aren't looked at."""
        if self._reading.problem:
            return Traffic(self._reading.problem, self._reading.gateways)
        if not any(counted.address in revisions for counted in self._reading.counters.values()):
            return Traffic("no gateway sends requests to it", self._reading.gateways)
        if not self._ticks:
            return Traffic(gateways=self._reading.gateways)
        now = self._ticks[-1].at
        counted = [tick for tick in self._ticks if tick.at - tick.seconds >= self._since]
        recent = [tick for tick in self._ticks if tick.at > now - _RATE_WINDOW]
        total, errors = _sums(counted, revisions)
        rates, _ = _sums(recent, revisions)
        seconds = sum(tick.seconds for tick in recent)
        every = sum(total.values())
        flows = {
            one: Flow(
                rate=rates.get(one, 0) / seconds,
                requests=total.get(one, 0),
                errors=errors.get(one, 0),
                share=100 * total.get(one, 0) / every if every else 0.0,
                history=tuple(round(_sums([tick], revisions)[0].get(one, 0) / tick.seconds) for tick in self._ticks),
            )
            for one in {*revisions.values()}
        }
        pods, _ = _sums(recent, {address: address for address in revisions})
        return Traffic(
            problem="",
            gateways=self._reading.gateways,
            seconds=sum(tick.seconds for tick in counted),
            rate=sum(rates.values()) / seconds,
            requests=every,
            errors=sum(errors.values()),
            flows=flows,
            pods={address: count / seconds for address, count in pods.items()},
        )


def _sums(ticks: list[_Tick], names: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    """Requests and errors by name."""
    requests: dict[str, int] = {}
    errors: dict[str, int] = {}
    for tick in ticks:
        for address, (asked, failed) in tick.counts.items():
            if name := names.get(address):
                requests[name] = requests.get(name, 0) + asked
                errors[name] = errors.get(name, 0) + failed
    return requests, errors
