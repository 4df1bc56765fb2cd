"""What measured answers say, as claims: which revision gave them, in which share, and whether any was lost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from canarylab.contract.step import Claim
from canarylab.demo.traffic.client import likely_cause
from canarylab.demo.traffic.measure import Measurement
from canarylab.demo.traffic.statistics import Proportion
from canarylab.rollouts.view import RolloutView


@dataclass(frozen=True)
class Revisions:
    """The pod-template-hashes of the two revisions that may answer, how each is shown, and the pods of both."""

    stable: str
    canary: str
    shown: dict[str, str]
    pods: frozenset[str] = frozenset()

    @classmethod
    def of(cls, view: RolloutView) -> Revisions:
        """From a Rollout's view; pods of revisions in use count, unless they terminate."""
        shown = {revision.hash: str(revision) for revision in view.revisions}
        in_use = (pod for revision in view.revisions if revision.role for pod in revision.pods if not pod.terminating)
        return cls(view.stable_hash, view.current_hash, shown, frozenset(pod.name for pod in in_use))


def plausible(seen: Measurement, weight: int, revisions: Revisions) -> bool:
    """Whether the gateway may have learnt the weight: both revisions answer, in about these shares."""
    both = {revisions.stable, revisions.canary} <= set(seen.revisions)
    return both and _share(seen, revisions).holds(weight)


def weighted(measured: Sequence[Measurement], weight: int, revisions: Revisions) -> Claim:
    """The interval of the canary's share holds the weight, in the last of the measurements of one host.

    Those before it missed, and are reported as well. Hopeless, so that measuring again is of no use, if anybody but the
    two revisions answered.
    """
    *missed, last = measured
    share, holds = _share(last, revisions), _share(last, revisions).holds(weight)
    others = _other_answers(last, {revisions.stable, revisions.canary}, revisions)
    rule = "one interval in 20 misses, so only three in a row fail: that is chance once in 8,000 times"
    return Claim(
        f"{last.target}: canary's share",
        f"{weight} % in the interval",
        f"{share}{_by(last)}; {last.pace}{others}{_earlier_misses(missed, revisions, holds=holds)}",
        holds and not others,
        _stray_cause(last, others) or f"the gateway routes by other weights than {weight} %; {rule}",
        hopeless=bool(others),
    )


def miss_notice(measured: Measurement, weight: int, revisions: Revisions, again: int) -> str:
    """What is said of a measurement whose interval misses the weight, before so many requests follow."""
    return (
        f"{measured.target}: canary's share {_share(measured, revisions)} misses {weight} %, as one in twenty does by "
        f"chance; measuring again, with {again:,} requests"
    )


def _earlier_misses(missed: Sequence[Measurement], revisions: Revisions, *, holds: bool) -> str:
    """How the measurements before the last one ended, to be added to what that one saw."""
    shares = " and ".join(str(_share(one, revisions)) for one in missed)
    if not shares:
        return ""
    if holds:
        return f"; before that {shares} missed by chance, as one in twenty does; measured again: holds"
    return f"; before that {shares} missed, too"


def exact(measured: Measurement, only: str, revisions: Revisions) -> Claim:
    """Every answer comes from one revision."""
    right = measured.revisions.get(only, 0)
    others = _other_answers(measured, {only}, revisions)
    return Claim(
        f"{measured.target}: all answers",
        f"{measured.requests:,} from {revisions.shown.get(only, only)}",
        f"{right:,} of {measured.requests:,}{_by(measured)}; {measured.pace}{others}",
        right >= measured.requests and not others,  # the gateway's counters have others' requests, too
        _stray_cause(measured, others) or _incomplete(measured),
    )


def none_failed(measured: Sequence[Measurement], text: str) -> Claim:
    """Of all requests of all measurements not one failed; none at all proves nothing."""
    total, failed = sum(one.requests for one in measured), sum(one.failed for one in measured)
    bad = [one for one in measured if one.failed]
    seen = [f"{failed:,} of {total:,} failed", *(sample for one in bad for sample in one.samples)]
    causes = dict.fromkeys(likely_cause(one.commonest_failure, one.target) for one in bad)
    return Claim(text, "0 failed", "; ".join(seen), total > 0 and failed == 0, "; ".join(filter(None, causes)))


def only_canary_failed(measured: Sequence[Measurement], revisions: Revisions) -> Claim:
    """Some requests failed, and every one of those was answered by the canary."""
    failed_by: Counter[str] = Counter()
    for one in measured:
        failed_by.update(one.failed_by)
    name = revisions.shown.get(revisions.canary, revisions.canary)
    total, own = sum(one.requests for one in measured), failed_by[revisions.canary]
    others = {revisions.shown.get(each, each or "nobody"): n for each, n in failed_by.items()}
    others.pop(name, None)
    seen = f"{own:,} of {total:,}" + "".join(f"; {count:,} from {other}" for other, count in others.items())
    return Claim(f"failed answers, all from {name}", "some, and no others", seen, 0 < own == failed_by.total())


def _by(measured: Measurement) -> str:
    return " by the gateway's counters" if measured.counted_by_gateway else ""


def _share(measured: Measurement, revisions: Revisions) -> Proportion:
    return Proportion(measured.revisions.get(revisions.canary, 0), measured.answered)


def _other_answers(measured: Measurement, known: set[str], revisions: Revisions) -> str:
    """Who else answered, to be added to what was seen."""
    others = {revision: count for revision, count in measured.revisions.items() if revision not in known}
    unknown = "pods of no revision" if measured.counted_by_gateway else "pods that don't say their revision"
    names = {"": unknown, **revisions.shown}
    return "".join(f"; {count:,} from {names.get(revision, revision)}" for revision, count in others.items())


def _incomplete(measured: Measurement) -> str:
    if measured.counted_by_gateway:
        return "the gateway has not sent every request to where its route leads"
    return "not every request was answered"


def _stray_cause(measured: Measurement, others: str) -> str:
    """The likely cause if others answered; "" if none did."""
    if "" in measured.revisions and not measured.counted_by_gateway:
        return "the pods need the environment variable REVISION, taken from their label rollouts-pod-template-hash"
    return "the gateway still sends requests to pods of another revision" if others else ""
