"""What a count of answers says about a weight, and the rule by which a weight is believed.

A canary's weight is a probability: of n answers, about weight · n come from the canary, not exactly. The 95 %
confidence interval (Wilson's score interval, which keeps its promise for small shares, where the textbook's
p ± 1.96·s doesn't) must hold the weight that was set.

One honest interval in twenty misses. The rule for that was fixed beforehand: a measurement that misses is taken
again, from nothing, with four times the requests; only `ATTEMPTS` = 3 misses in a row fail. Each measurement is
reported, the missed ones too, and none is thrown away because of what it showed.

What the rule costs: a right weight of 5 % at 2,000 requests first fails by chance once in 9,500 times per host, by
the binomial distribution (0.05³ would be once in 8,000: answers are whole numbers). Hosts are measured independently,
so the chances add up: four hosts, as in the default playbook, 1 demonstration in 2,400. (With a single measurement it
would be nearly 1 in 5.)
What it lets through: at 2,000 requests first, a canary that in truth gets 8 % instead of 5 % passes in fewer than
1 run in 1,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

CONFIDENCE = 0.95
ATTEMPTS = 3
GROWTH = 4
BY_CHANCE = (1 - CONFIDENCE) ** ATTEMPTS
"""What is less likely than this isn't chance: as rare as a right share that misses its interval every time."""


@dataclass(frozen=True)
class Proportion:
    """`count` of `total`: answers of the canary, failed requests, or copies. Percentages are from 0 to 100."""

    count: int
    total: int

    @property
    def percent(self) -> float:
        """The count in percent of the total; 0 without any."""
        return 100 * self.count / self.total if self.total else 0.0

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Wilson's score interval at a confidence between 0 and 1. Without an answer nothing is known: 0 to 100."""
        if not self.total:
            return (0.0, 100.0)
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        n, p, z2 = self.total, self.count / self.total, z * z
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        reach = z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        return (100 * max(0.0, middle - reach), 100 * min(1.0, middle + reach))

    def holds(self, weight: float) -> bool:
        """Whether the weight in percent lies in the interval; without an answer nothing holds."""
        low, high = self.interval()
        return self.total > 0 and low <= weight <= high

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.percent:.2f} % ({self.count:,} of {self.total:,}; 95 % interval {low:.2f} % to {high:.2f} %)"


def attempts(requests: int) -> Iterator[int]:
    """How many requests each measurement takes, from the first to the last one allowed."""
    return (requests * (1 if attempt == 0 else GROWTH) for attempt in range(ATTEMPTS))
