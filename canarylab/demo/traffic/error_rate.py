"""What the background traffic says of the users' error rate, as claims. Pure.

The error rate is the share of requests that fail, in percent: without an answer, or with any status but 200.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import exp, lgamma, log, log1p

from canarylab.contract.step import Claim
from canarylab.demo.traffic.client import Why, is_of_pod, likely_cause
from canarylab.demo.traffic.statistics import BY_CHANCE, Proportion
from canarylab.demo.traffic.timeline import FailureMode, Period


def none_failed(period: Period, text: str, why: Why = likely_cause) -> Claim:
    """Of all requests of the period not one failed; none at all proves nothing."""
    seen = "; ".join([f"{period.failed:,} of {period.total:,} failed", *period.samples])
    return Claim(text, "0 failed", seen, period.total > 0 and period.failed == 0, _cause(period.failures, why))


def seconds_to_recover(period: Period) -> float:
    """From the noted moment to the last failed answer; 0 where none failed after it."""
    if period.moment is None or period.last_failure is None:
        return 0.0
    return max(0.0, period.last_failure - period.moment.at)


def recovered(period: Period, within: float, why: Why = likely_cause) -> Claim:
    """How many seconds after the noted moment the last request failed. Permanent once that is too late."""
    assert period.moment is not None
    late = seconds_to_recover(period)
    seen, holds = f"last failed answer {late:.2f} s after it" if late else "no failed answer after it", late <= within
    text, cause = f"time to recover after {period.moment.name}", "" if holds else _cause(period.failures, why)
    return Claim(text, f"at most {within:g} s", seen, holds, cause, permanent=not holds)


def clean_since(period: Period, requests: int, why: Why = likely_cause) -> Claim:
    """So many requests were answered well since the last one that failed, and not one failed since."""
    seen, holds = f"{period.good:,} in a row", period.good >= requests
    cause = "" if holds else _cause(period.failures, why)
    return Claim("answered well since then", f"{requests:,} requests", seen, holds, cause)


def at_most(period: Period, percent: float, why: Why = likely_cause) -> Claim:
    """The error rate didn't exceed this one while it came up to it, as the canary's weight did."""
    seen, holds = f"{period.failed:,} of {period.total:,} failed", True
    if (chance := _as_many(period.failed, period.total, percent / 100)) < BY_CHANCE:
        seen, holds = f"{seen}; as many come by chance once in {1 / max(chance, 1e-9):,.0f} times", False
    cause = "" if holds else _cause(period.failures, why)
    return Claim("error rate on the way", f"at most {percent:g} %", seen, holds, cause)


def as_expected(measured: Sequence[Period], percent: float, why: Why = likely_cause) -> Claim:
    """The interval of the last of the periods holds the error rate; those before it missed, and are named, too."""
    *missed, last = (Proportion(period.failed, period.total) for period in measured)
    missed_words = "".join(f"; before that {share} missed" for share in missed)
    holds = last.holds(percent)
    cause = "" if holds else _other_rate(measured[-1], why)
    return Claim("error rate", f"{percent:g} % in the interval", f"{last}{missed_words}", holds, cause)


def _other_rate(period: Period, why: Why) -> str:
    """What failed without an answer of a pod says why by itself; of the rest there is no telling from here."""
    lost = Counter({failure: count for failure, count in period.failures.items() if not _is_of_pod(failure)})
    if known := _cause(lost, why):
        return f"{lost.total():,} of those that failed had no answer of a pod: {known}"
    return (
        "either the canary has another weight than `percent` was reckoned with, or its image fails in another share of "
        "its answers"
    )


def of_canary(failures: Counter[FailureMode], canary: str, shown: Mapping[str, str], why: Why = likely_cause) -> Claim:
    """Every failed answer came from the canary; "": there is none, so nobody may fail.

    `shown` maps each revision's pod-template-hash to how it is shown.
    """
    by_source, others = Counter[str](), Counter[FailureMode]()
    for failure, count in failures.items():
        by_source[_source(failure, shown)] += count
        if not canary or failure.revision != canary:
            others[failure] += count
    seen = ", ".join(f"{count:,} from {source}" for source, count in by_source.items()) or "none"
    expected = f"from {shown.get(canary, 'the canary')} alone"
    return Claim("failed answers", expected, seen, not others, _of_others(others, why) if others else "")


def _of_others(others: Counter[FailureMode], why: Why) -> str:
    lost = "" if all(map(_is_of_pod, others)) else "requests without an answer of a pod were lost on the way"
    return "; ".join(filter(None, (lost, _cause(others, why))))


def _source(failure: FailureMode, shown: Mapping[str, str]) -> str:
    """Who gave the failed answer, as it is shown."""
    if failure.revision:
        return shown.get(failure.revision, failure.revision)
    return "pods that don't say their revision" if _is_of_pod(failure) else "no pod"


def _is_of_pod(failure: FailureMode) -> bool:
    """Whether a pod answered: not where nobody did, nor where the gateway did by itself."""
    return bool(failure.revision) or is_of_pod(failure.kind)


def _as_many(failed: int, total: int, rate: float) -> float:
    """The probability that of so many requests at least so many fail, each with the probability `rate`: binomial."""

    def exactly(count: int) -> float:
        ways = lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1)
        return exp(ways + count * log(rate) + (total - count) * log1p(-rate))

    return 1 - sum(exactly(count) for count in range(failed))


def _cause(failures: Counter[FailureMode], why: Why) -> str:
    """What is known of the ways in which requests failed, the commonest first."""
    ways = dict.fromkeys((failure.kind, failure.target) for failure, _ in failures.most_common())
    known = (why(*way) for way in ways)
    return "; ".join(dict.fromkeys(filter(None, known)))
