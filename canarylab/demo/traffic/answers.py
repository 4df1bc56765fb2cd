"""What measured answers say, as claims: which revision gave them, in which share, and whether any was lost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from canarylab.contract.step import Claim
from canarylab.demo.traffic.client import Why, likely_cause
from canarylab.demo.traffic.measure import Measurement
from canarylab.demo.traffic.statistics import Proportion
from canarylab.rollouts.view import RolloutView

_ALL = 100


def plausible(seen: Measurement, weight: int, view: RolloutView) -> bool:
    """Whether the gateway may have learnt the weight: whoever should answer does, in about these shares."""
    if (only := _only(weight, view)) is not None:
        return set(seen.revisions) == {only}
    return {view.stable_hash, view.current_hash} <= set(seen.revisions) and _share(seen, view).holds(weight)


def share(measured: Sequence[Measurement], weight: int, view: RolloutView) -> Claim:
    """The canary's share by the last of the measurements of one host: by its interval, at 0 and at 100 % exactly.

    Those before it missed, and are reported as well. Permanent if measuring again is of no use.
    """
    only = _only(weight, view)
    return _weighted(measured, weight, view) if only is None else _exact(measured[-1], only, view)


def _only(weight: int, view: RolloutView) -> str | None:
    """The revision that gives all answers, if one should."""
    return {0: view.stable_hash, _ALL: view.current_hash}.get(weight)


def _weighted(measured: Sequence[Measurement], weight: int, view: RolloutView) -> Claim:
    """The interval holds the weight, and nobody but the two revisions answered."""
    *missed, last = measured
    seen, holds = _share(last, view), _share(last, view).holds(weight)
    others = _other_answers(last, {view.stable_hash, view.current_hash}, view)
    rule = "one interval in 20 misses by chance, three in a row almost never (docs/adr/0012)"
    return Claim(
        f"{last.target}: canary's share",
        f"{weight} % in the interval",
        f"{seen}{_by(last)}; {last.pace}{others}{_earlier_misses(missed, view, holds=holds)}",
        holds and not others,
        _stray_cause(last, others) or f"{_other_weights(last, weight)}; {rule}",
        permanent=bool(others),
    )


def miss_notice(measured: Measurement, weight: int, view: RolloutView, again: int) -> str:
    """What is said of a measurement whose interval misses the weight, before so many requests follow."""
    return (
        f"{measured.target}: canary's share {_share(measured, view)} misses {weight} %, as one in twenty does by "
        f"chance; measuring again, with {again:,} requests"
    )


def _earlier_misses(missed: Sequence[Measurement], view: RolloutView, *, holds: bool) -> str:
    """How the measurements before the last one ended, to be added to what that one saw."""
    shares = " and ".join(str(_share(one, view)) for one in missed)
    if not shares:
        return ""
    if holds:
        return f"; before that {shares} missed by chance, as one in twenty does; measured again: holds"
    return f"; before that {shares} missed, too"


def _other_weights(measured: Measurement, weight: int) -> str:
    """The likeliest comes first: the layers before have shown what is configured, not what is done."""
    if measured.target.by_connection:
        return "kube-proxy gives each ready pod the same share: most likely their number changed meanwhile"
    return f"most likely a gateway's pod routes by other weights than {weight} %, or they changed meanwhile"


def _exact(measured: Measurement, only: str, view: RolloutView) -> Claim:
    """Every answer comes from one revision."""
    right = measured.revisions[only]
    others = _other_answers(measured, {only}, view)
    return Claim(
        f"{measured.target}: all answers",
        f"{measured.requests:,} from {_names(view).get(only, only)}",
        f"{right:,} of {measured.requests:,}{_by(measured)}; {measured.pace}{others}",
        right >= measured.requests and not others,  # the gateway's counters have others' requests, too
        _stray_cause(measured, others) or _incomplete(measured),
        permanent=True,
    )


def none_failed(measured: Sequence[Measurement], text: str, why: Why = likely_cause) -> Claim:
    """Of all requests of all measurements not one failed; none at all proves nothing."""
    total, failed = sum(one.requests for one in measured), sum(one.failed for one in measured)
    bad = [one for one in measured if one.failed]
    seen = [f"{failed:,} of {total:,} failed", *(sample for one in bad for sample in one.samples)]
    causes = dict.fromkeys(why(one.commonest_failure, one.target) for one in bad)
    return Claim(text, "0 failed", "; ".join(seen), total > 0 and failed == 0, "; ".join(filter(None, causes)))


def only_canary_failed(measured: Sequence[Measurement], view: RolloutView) -> Claim:
    """Some requests failed, and every one of those was answered by the canary."""
    failed_by = sum((one.failed_by for one in measured), Counter[str]())
    names, canary = _names(view), view.current_hash
    total, own = sum(one.requests for one in measured), failed_by[canary]
    others = [f"{n:,} from {names.get(one, one or 'nobody')}" for one, n in failed_by.items() if one != canary]
    text, seen = f"failed answers, all from {names.get(canary, canary)}", "; ".join([f"{own:,} of {total:,}", *others])
    return Claim(text, "some, and no others", seen, 0 < own == failed_by.total())


def _by(measured: Measurement) -> str:
    return " by the gateway's counters" if measured.counted_by_gateway else ""


def _names(view: RolloutView) -> dict[str, str]:
    return {revision.hash: str(revision) for revision in view.revisions}


def _share(measured: Measurement, view: RolloutView) -> Proportion:
    return Proportion(measured.revisions[view.current_hash], measured.answered)


def _other_answers(measured: Measurement, known: set[str], view: RolloutView) -> str:
    """Who else answered, to be added to what was seen."""
    unknown = "pods of no revision" if measured.counted_by_gateway else "pods that don't say their revision"
    names = {"": unknown, **_names(view)}
    return "".join(f"; {n:,} from {names.get(one, one)}" for one, n in measured.revisions.items() if one not in known)


def _incomplete(measured: Measurement) -> str:
    if measured.counted_by_gateway:
        return "the gateway counted fewer there: it answered the others itself, or sent them elsewhere"
    return "not every request was answered"


def _stray_cause(measured: Measurement, others: str) -> str:
    """The likely cause if others answered; "" if none did."""
    if "" in measured.revisions and not measured.counted_by_gateway:
        return (
            "most likely the pods lack the environment variable REVISION, taken from their label "
            "rollouts-pod-template-hash; or it is another application that answers"
        )
    return "requests reach pods of another revision" if others else ""
