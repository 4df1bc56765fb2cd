"""What the background traffic says of the users' error rate, as claims. Pure.

The error rate is the share of requests that fail, in percent: without an answer, or with any status but 200.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import exp, lgamma, log, log1p

from canarylab.contract.step import Claim
from canarylab.demo.traffic.client import Why, likely_cause
from canarylab.demo.traffic.statistics import BY_CHANCE, Proportion
from canarylab.demo.traffic.timeline import FailureMode, Period


def none_failed(period: Period, text: str, why: Why = likely_cause) -> Claim:
    """Of all requests of the period not one failed; none at all proves nothing."""
    seen = "; ".join([f"{period.failed:,} of {period.total:,} failed", *period.samples])
    return Claim(text, "0 failed", seen, period.total > 0 and period.failed == 0, _cause(period, why))


def recovered(period: Period, within: float) -> Claim:
    """How many seconds after the noted moment the last request failed. Hopeless once that is too late."""
    assert period.moment is not None
    seen, holds = "no failed answer after it", True
    if period.last_failure is not None and (late := period.last_failure - period.moment.at) > 0:
        seen, holds = f"last failed answer {late:.2f} s after it", late <= within
    text = f"time to recover after {period.moment.name}"
    return Claim(text, f"at most {within:g} s", seen, holds, _cause(period), permanent=not holds)


def clean_since(period: Period, requests: int) -> Claim:
    """So many requests were answered well since the last one that failed, and not one failed since."""
    seen = f"{period.good:,} in a row"
    return Claim("answered well since then", f"{requests:,} requests", seen, period.good >= requests, _cause(period))


def at_most(period: Period, percent: float) -> Claim:
    """The error rate didn't exceed this one while it came up to it, as the canary's weight did."""
    seen, holds = f"{period.failed:,} of {period.total:,} failed", True
    if (chance := _as_many(period.failed, period.total, percent / 100)) < BY_CHANCE:
        seen, holds = f"{seen}; as many come by chance once in {1 / max(chance, 1e-9):,.0f} times", False
    return Claim("error rate on the way", f"at most {percent:g} %", seen, holds, _cause(period))


def as_expected(measured: Sequence[Period], percent: float) -> Claim:
    """The interval of the last of the periods holds the error rate; those before it missed, and are named, too."""
    *missed, last = (Proportion(period.failed, period.total) for period in measured)
    missed_words = "".join(f"; before that {share} missed" for share in missed)
    cause = "the canary has another weight, or its image fails in another share of its answers"
    return Claim("error rate", f"{percent:g} % in the interval", f"{last}{missed_words}", last.holds(percent), cause)


def of_canary(failures: Counter[FailureMode], canary: str, shown: Mapping[str, str]) -> Claim:
    """Every failed answer came from the canary; "": there is none, so nobody may fail.

    `shown` maps each revision's pod-template-hash to how it is shown.
    """
    by_revision = Counter[str]()
    for failure, count in failures.items():
        by_revision[failure.revision] += count
    names = {"": "no pod", **shown}
    seen = ", ".join(f"{count:,} from {names.get(one, one)}" for one, count in by_revision.items()) or "none"
    cause = "" if "" not in by_revision else "requests without an answer of a pod were lost on the way"
    expected = f"from {shown.get(canary, 'the canary')} alone"
    return Claim("failed answers", expected, seen, by_revision.keys() <= {canary} - {""}, cause)


def _as_many(failed: int, total: int, rate: float) -> float:
    """The probability that of so many requests at least so many fail, each with the probability `rate`: binomial."""

    def exactly(count: int) -> float:
        ways = lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1)
        return exp(ways + count * log(rate) + (total - count) * log1p(-rate))

    return 1 - sum(exactly(count) for count in range(failed))


def _cause(period: Period, why: Why = likely_cause) -> str:
    """What is known of the ways in which requests failed, the commonest first."""
    known = (why(failure.kind, failure.target) for failure, _ in period.failures.most_common())
    return "; ".join(dict.fromkeys(filter(None, known)))
