"""What may be claimed of every moment of a Rollout's history. Pure.

Which bounds hold is argued from the source of Argo Rollouts v1.10.1:

- Without a traffic router, the ReplicaSets never want more than replicas + maxSurge pods together, and none is scaled
  down below replicas - maxUnavailable available ones (CalculateReplicaCountsForBasicCanary,
  utils/replicaset/canary.go).
- With one, weight is shifted only once enough pods are available for it (reconcileTrafficRouting,
  rollout/trafficrouting.go). In one reconciliation the router gets the new weight first, then ReplicaSets are scaled,
  then the status is written. Stable is scaled by the weights of the status as it was before
  (reconcileCanaryStableReplicaSet, rollout/canary.go), so it has enough for the weight that the status shows. The
  canary is scaled by the weights that the router was just given (reconcileNewReplicaSet, rollout/replicaset.go): on an
  abort it shrinks a moment before the status shows why. So it has enough for that weight or for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from canarylab.contract.step import Claim
from canarylab.demo.history.states import RolloutState, TrafficWeight

_ALWAYS = "at every moment"


def promised(states: Sequence[RolloutState]) -> list[Claim]:
    """The bounds that Argo promises for the Rollout's strategy; none for blueGreen."""
    match states[0].promise:
        case "surge":
            return list(_surge(states))
        case "weights":
            return [_weights(states)]
    return []


def peak(states: Sequence[RolloutState], pods: int) -> Claim:
    """So many pods of all revisions there were when there were most."""
    most = max(states, key=lambda state: state.pods)
    return _claim("most pods at once, of all revisions", str(pods), most, str(most.pods), most.pods == pods)


def least_stable(states: Sequence[RolloutState], pods: int) -> Claim:
    """So many pods of whichever revision was stable were available when there were fewest."""
    fewest = min(states, key=lambda state: state.available_of(state.stable))
    available = fewest.available_of(fewest.stable)
    text = "fewest available pods of the stable revision"
    return _claim(text, str(pods), fewest, str(available), available == pods)


def _surge(states: Sequence[RolloutState]) -> Iterator[Claim]:
    yield _at_most("pods that the ReplicaSets want", states, lambda state: state.wanted)
    yield _at_least("pods that the ReplicaSets want", states, lambda state: state.wanted)
    yield _with_surplus(_at_most("pods that don't terminate", states, lambda state: state.pods), states)
    yield _at_least("available pods", states, lambda state: state.available)


Figure = Callable[[RolloutState], int]


def _at_most(text: str, states: Sequence[RolloutState], value: Figure) -> Claim:
    worst = max(states, key=lambda state: value(state) - state.replicas - state.surge)
    bound = worst.replicas + worst.surge
    expected = f"at most {bound}, {_ALWAYS} ({worst.replicas} replicas + maxSurge {worst.surge})"
    return _claim(text, expected, worst, f"{value(worst)} at most", value(worst) <= bound)


def _at_least(text: str, states: Sequence[RolloutState], value: Figure) -> Claim:
    worst = min(states, key=lambda state: value(state) - state.replicas + state.unavailable)
    bound = worst.replicas - worst.unavailable
    expected = f"at least {bound}, {_ALWAYS} ({worst.replicas} replicas - maxUnavailable {worst.unavailable})"
    return _claim(text, expected, worst, f"{value(worst)} at least", value(worst) >= bound)


def _with_surplus(claim: Claim, states: Sequence[RolloutState]) -> Claim:
    """The claim, and how many there were with those that were only still to be deleted, if that is more."""
    all_of_them = max(state.pods + state.surplus for state in states)
    if all_of_them == max(state.pods for state in states):
        return claim
    return replace(claim, seen=f"{claim.seen}, {all_of_them} with those that a ReplicaSet no longer wanted")


def _weights(states: Sequence[RolloutState]) -> Claim:
    text, expected = "available pods for each weight", f"as many as it needs of the replicas, {_ALWAYS}"
    needs = list(_needs(states))
    if not needs:
        return Claim(text, expected, "no weight in the Rollout's status", holds=False)
    worst, share, needed = min(needs, key=_spare)
    available = worst.available_of(share.hash)
    seen = f"{available} at the tightest, for the {share.role}'s weight of {share.weight}, which needs {needed}"
    return _claim(text, expected, worst, seen, available >= needed)


def _spare(need: tuple[RolloutState, TrafficWeight, int]) -> tuple[int, int]:
    """How many pods are to spare; of as many, fewer pods are tighter."""
    state, share, needed = need
    available = state.available_of(share.hash)
    return available - needed, available


def _needs(states: Sequence[RolloutState]) -> Iterator[tuple[RolloutState, TrafficWeight, int]]:
    """Each state with each share of the traffic and the pods that are sure to be needed for it, if any are."""
    for state, later in zip(states, _next_weights(states), strict=True):
        for share in state.weights:
            needed = state.needed(share)
            if share.role == "canary":
                coming = (state.needed(one) for one in later if (one.role, one.hash) == (share.role, share.hash))
                needed = min([needed, *coming])
            if needed:
                yield state, share, needed


def _next_weights(states: Sequence[RolloutState]) -> list[tuple[TrafficWeight, ...]]:
    """For each state, the weights that the status shows after those of that state; () at the end."""
    found: list[tuple[TrafficWeight, ...]] = [()]
    for after, state in pairwise(reversed(states)):
        found.append(after.weights if after.weights != state.weights else found[-1])
    return found[::-1]


def _claim(text: str, expected: str, worst: RolloutState, seen: str, holds: bool) -> Claim:
    where = "" if holds else f", at {worst.seconds:.2f} s (resourceVersion {worst.version}): {worst}"
    return Claim(text, expected, f"{seen}{where}", holds)
