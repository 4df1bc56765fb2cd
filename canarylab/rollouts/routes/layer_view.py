"""What one layer says becomes of a request. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Shares = Mapping[str, float]
"""Percent by revision (its pod-template-hash); "" stands for pods of no revision of this Rollout."""

_EXACT = 0.01
"""Percent by which two layers may differ that have no reason to: Envoy holds fractions, and floats are rounded."""


@dataclass(frozen=True)
class LayerView:
    """What a layer says of requests to one host: who answers them, and to whom they are copied besides."""

    where: str
    """The object that says so."""
    words: str
    """In that object's own terms, such as `rollouts-demo-stable 95, rollouts-demo-canary 5`."""
    shares: Shares
    mirrored: Shares = field(default_factory=dict)
    cause: str = ""
    """Why it may say something else than the Rollout; "" where nothing is known."""
    remedy: str = ""
    """What to do where it is as its objects have it and no weight changes that; "" where waiting may."""

    def agrees(self, shares: Shares, mirrored: Shares) -> bool:
        """Whether these shares and copies were seen, within a rounding error."""
        return _same(self.shares, shares) and _same(self.mirrored, mirrored)


def _same(some: Shares, others: Shares) -> bool:
    return all(abs(some.get(each, 0) - others.get(each, 0)) < _EXACT for each in {*some, *others})


def joined(parts: Iterable[tuple[float, Shares]]) -> Shares:
    """The shares of several destinations, each of which gets so many percent of the requests."""
    total: Counter[str] = Counter()
    for percent, shares in parts:
        for revision, share in shares.items():
            total[revision] += percent * share / 100  # type: ignore[assignment]  # a Counter of floats
    return dict(total)


def evenly(revisions: Iterable[str]) -> Shares:
    """The shares where each of these pods, named by its revision, gets as many requests as any other."""
    counted = Counter(revisions)
    return {revision: 100 * count / counted.total() for revision, count in counted.items()}


def expected(stable: str, canary: str, percent: float, experimental: Shares | None = None) -> Shares:
    """So many percent for the canary, what an experiment gets, the rest for stable; one revision may be both."""
    others = experimental or {}
    rest = 100 - percent - sum(others.values())
    return joined([(rest, {stable: 100}), (percent, {canary: 100}), (100, others)])
