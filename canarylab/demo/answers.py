"""What measured answers say, as claims: which revision gave them, in which share, and whether any was lost. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from canarylab.demo.base import Claim
from canarylab.demo.client import likely_cause
from canarylab.demo.rollout import RolloutView
from canarylab.demo.statistics import ATTEMPTS, Share
from canarylab.demo.traffic import Measurement


@dataclass(frozen=True)
class Revisions:
    """The pod-template-hashes of the two revisions that may answer, and how each is shown."""

    stable: str
    canary: str
    shown: dict[str, str]

    @classmethod
    def of(cls, view: RolloutView) -> Revisions:
        shown = {revision.hash: str(revision) for revision in view.revisions}
        return cls(view.stable_hash, view.current_hash, shown)


def plausible(seen: Measurement, weight: int, revisions: Revisions) -> bool:
    """Whether the gateway may have learnt the weight: both revisions answer, in about these shares."""
    both = {revisions.stable, revisions.canary} <= set(seen.revisions)
    return both and _share(seen, revisions).holds(weight)


def weighted(measured: Measurement, weight: int, revisions: Revisions, number: int) -> Claim:
    """The interval of the canary's share holds the weight. `number` counts the measurements of this host from 1."""
    share = _share(measured, revisions)
    strangers = _strangers(measured, {revisions.stable, revisions.canary}, revisions)
    again = "" if number == 1 else f", measurement {number} of at most {ATTEMPTS}"
    rule = "one interval in 20 misses, so only three in a row fail: that is chance once in 8,000 times"
    return Claim(
        f"{measured.target}: canary's share{again}",
        f"{weight} % in the interval",
        f"{share}; {measured.pace}{strangers}",
        share.holds(weight) and not strangers,
        _unknown(measured) or f"the gateway routes by other weights than {weight} %; {rule}",
    )


def exact(measured: Measurement, only: str, revisions: Revisions) -> Claim:
    """Every answer comes from one revision."""
    right = measured.revisions.get(only, 0)
    shown = revisions.shown.get(only, only)
    strangers = _strangers(measured, {only}, revisions)
    return Claim(
        f"{measured.target}: all answers",
        f"{measured.requests:,} from {shown}",
        f"{right:,} of {measured.requests:,}; {measured.pace}{strangers}",
        right == measured.requests,
        _unknown(measured) or "the gateway still sends requests to another revision, or not all were answered",
    )


def none_failed(measured: Sequence[Measurement], text: str) -> Claim:
    """Of all requests of all measurements not one failed; none at all proves nothing."""
    total, failed = sum(one.requests for one in measured), sum(one.failed for one in measured)
    bad = [one for one in measured if one.failed]
    seen = [f"{failed:,} of {total:,} failed", *(sample for one in bad for sample in one.samples)]
    causes = dict.fromkeys(likely_cause(one.commonest_failure, one.target) for one in bad)
    return Claim(text, "0 failed", "; ".join(seen), total > 0 and failed == 0, "; ".join(filter(None, causes)))


def _share(measured: Measurement, revisions: Revisions) -> Share:
    return Share(measured.revisions.get(revisions.canary, 0), measured.answered)


def _strangers(measured: Measurement, known: set[str], revisions: Revisions) -> str:
    """Who else answered, to be added to what was seen."""
    others = [(revisions.shown.get(one, one), n) for one, n in measured.revisions.items() if one not in known]
    return "".join(f"; {count:,} from {name}" for name, count in others)


def _unknown(measured: Measurement) -> str:
    """The cause if pods answered well and didn't say who they are."""
    if measured.answered or measured.failed == measured.requests:
        return ""
    return "no answer says its revision: the pods need the environment variable REVISION, from their pod-template-hash"
