"""The history of a Rollout: its state after every change, replayed from the events of watches. Pure.

The events of three kinds are brought into one order by their resourceVersions (see `stream.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from canarylab.kube.objects import Object, condition, dig
from canarylab.rollouts.revisions import HASH_LABEL
from canarylab.rollouts.strategy import strategy_of
from canarylab.rollouts.traffic_routing import full_weight

Promise = Literal["surge", "weights", ""]
"""What Argo keeps to during an update: maxSurge and maxUnavailable, enough pods for each weight, or neither."""

_REVISION = "rollout.argoproj.io/revision"
_ALL = 100
_QUARTER = "25%"


@dataclass(frozen=True)
class WatchEvent:
    """One event of a watch. `seconds` is when it arrived, since the recording began: objects don't say it so finely."""

    version: int
    seconds: float
    deleted: bool
    obj: Object


@dataclass(frozen=True)
class Scale:
    """A ReplicaSet at one moment. Pods that terminate or have ended don't count anywhere."""

    revision: int
    wanted: int
    """spec.replicas"""
    pods: int
    surplus: int
    """Those of the pods that its controller hasn't yet come to delete, after it was scaled down."""
    available: int

    @property
    def is_up(self) -> bool:
        """Whether it has pods, or is to have some."""
        return bool(self.wanted or self.pods)

    def __str__(self) -> str:
        return f"revision {self.revision} wants {self.wanted} and has {self.pods}, {self.available} available"


@dataclass(frozen=True)
class TrafficWeight:
    """A part of the traffic, in the Rollout's own terms: `weight` is out of the state's `full_weight`."""

    role: Literal["stable", "canary"]
    hash: str
    weight: int


@dataclass(frozen=True)
class RolloutState:
    """What there was after one change. Revisions, and who is stable, are by pod-template-hash."""

    version: int
    seconds: float
    promise: Promise
    replicas: int
    surge: int
    unavailable: int
    full_weight: int
    stable: str
    weights: tuple[TrafficWeight, ...]
    """As Rollout.status.canary.weights has them; () without a traffic router."""
    revisions: Mapping[str, Scale]

    @property
    def wanted(self) -> int:
        """Pods that all ReplicaSets want together, by spec.replicas."""
        return sum(scale.wanted for scale in self.revisions.values())

    @property
    def pods(self) -> int:
        """Pods of all revisions, less those that are due."""
        return sum(scale.pods - scale.surplus for scale in self.revisions.values())

    @property
    def surplus(self) -> int:
        """Pods that are still to be deleted, of all revisions."""
        return sum(scale.surplus for scale in self.revisions.values())

    @property
    def available(self) -> int:
        """Available pods of all revisions."""
        return sum(scale.available for scale in self.revisions.values())

    def available_of(self, digest: str) -> int:
        """Available pods of one revision, by its pod-template-hash; 0 where it has no ReplicaSet."""
        return self.revisions[digest].available if digest in self.revisions else 0

    def needed(self, share: TrafficWeight) -> int:
        """Pods that so much of the traffic needs, rounded down as Argo does before it shifts weight, one at least.

        (v1.10.1, checkReplicasAvailable in rollout/trafficrouting.go; a canary without an available pod gets nothing.)
        """
        return max(1, share.weight * self.replicas // self.full_weight) if share.weight else 0

    def __str__(self) -> str:
        return "; ".join(str(scale) for scale in self.revisions.values() if scale.is_up) or "no pods"


def replay(
    listed: Iterable[Object], changes: Iterable[WatchEvent], rollout: str, since: int, until: int
) -> list[RolloutState]:
    """The states from one resourceVersion to another: the state at the first, then one after each change.

    `listed` is what the lists found, each at its own version up to `since`; `changes` follow them, in any order.
    `rollout` is the uid of the one it is about. The states end where that is deleted.
    """
    objects = _Objects(rollout, listed)
    ordered = sorted((one for one in changes if one.version <= until), key=lambda change: change.version)
    for change in ordered:
        if change.version <= since:
            objects.put(change)
    states = [objects.state(since, 0.0)]
    for change in ordered:
        if change.version > since and objects.put(change):
            if change.deleted and change.obj["metadata"]["uid"] == rollout:
                break
            states.append(objects.state(change.version, max(change.seconds, states[-1].seconds)))
    return states


class _Objects:
    """The objects as of some version, and the ReplicaSets and pods among them that are the Rollout's."""

    def __init__(self, rollout: str, listed: Iterable[Object]) -> None:
        self._rollout = rollout
        self._all = {one["metadata"]["uid"]: one for one in listed}

    def put(self, change: WatchEvent) -> bool:
        """Take a change in; whether it has to do with the Rollout."""
        uid = change.obj["metadata"]["uid"]
        concerned = self._concerns(change.obj)
        if change.deleted:
            self._all.pop(uid, None)
        else:
            self._all[uid] = change.obj
        return concerned

    def _concerns(self, obj: Object) -> bool:
        owners = _owners(obj)
        if obj["kind"] == "Pod":
            return any(self._rollout in _owners(self._all[uid]) for uid in owners if uid in self._all)
        return obj["metadata"]["uid"] == self._rollout or self._rollout in owners

    def state(self, version: int, seconds: float) -> RolloutState:
        rollout = self._all[self._rollout]
        replicas = _or(dig(rollout, "spec", "replicas"), 1)
        surge, unavailable = fenceposts(rollout, replicas)
        replica_sets = self._owned_by(self._rollout, "ReplicaSet")
        return RolloutState(
            version,
            seconds,
            _promise(rollout),
            replicas,
            surge,
            unavailable,
            full_weight(dig(rollout, "spec", "strategy", "canary")),
            dig(rollout, "status", "stableRS") or "",
            tuple(_weights_of(rollout)),
            {dig(one, "metadata", "labels", HASH_LABEL) or "": self._scale(one) for one in replica_sets},
        )

    def _owned_by(self, uid: str, kind: str) -> Iterator[Object]:
        return (one for one in self._all.values() if one["kind"] == kind and uid in _owners(one))

    def _scale(self, replica_set: Object) -> Scale:
        pods = [pod for pod in self._owned_by(replica_set["metadata"]["uid"], "Pod") if _is_active(pod)]
        wanted = _or(dig(replica_set, "spec", "replicas"), 1)
        ready = sum(condition(dict(pod), "Ready").get("status") == "True" for pod in pods)
        return Scale(
            revision=int(dig(replica_set, "metadata", "annotations", _REVISION) or 0),
            wanted=wanted,
            pods=len(pods),
            surplus=max(0, len(pods) - wanted) if _is_behind(replica_set, wanted) else 0,
            # The status alone knows of minReadySeconds, and lags behind the pods: what both say is sure.
            available=min(ready, dig(replica_set, "status", "availableReplicas") or 0),
        )


def fenceposts(rollout: Object, replicas: int) -> tuple[int, int]:
    """maxSurge and maxUnavailable in pods: as Argo resolves them (resolveFenceposts in utils/replicaset), 25 % each.

    Percentages round up for the one and down for the other; where both come out as 0, one pod may be unavailable.
    """
    canary = dig(rollout, "spec", "strategy", "canary") or {}
    surge = _pods(canary.get("maxSurge", _QUARTER), replicas, math.ceil)
    unavailable = _pods(canary.get("maxUnavailable", _QUARTER), replicas, math.floor)
    if not surge and not unavailable:
        unavailable = 1
    return surge, min(unavailable, replicas)


def _pods(value: int | str, replicas: int, rounded: Callable[[float], int]) -> int:
    """A number of pods, or of percent if it is text."""
    return value if isinstance(value, int) else rounded(int(value.rstrip("%")) * replicas / _ALL)


def _or(value: Any, default: int) -> int:
    return default if value is None else int(value)


def _owners(obj: Object) -> set[str]:
    return {owner["uid"] for owner in dig(obj, "metadata", "ownerReferences") or ()}


def _is_active(pod: Object) -> bool:
    """As the ReplicaSet's controller counts them (FilterActivePods in pkg/controller of Kubernetes)."""
    ended = dig(pod, "status", "phase") in ("Succeeded", "Failed")
    return not ended and dig(pod, "metadata", "deletionTimestamp") is None


def _is_behind(replica_set: Object, wanted: int) -> bool:
    """Whether the ReplicaSet's controller is still to act on spec.replicas.

    Argo scales one ReplicaSet down and the next up, and their controller may come to the second first: it is what
    ReplicaSets want that is kept within maxSurge.
    """
    observed = dig(replica_set, "status", "observedGeneration") or 0
    counted = dig(replica_set, "status", "replicas") or 0
    return observed < dig(replica_set, "metadata", "generation") or counted > wanted


def _promise(rollout: Object) -> Promise:
    if strategy_of(rollout) == "blueGreen":
        return ""
    return "weights" if dig(rollout, "spec", "strategy", "canary", "trafficRouting") else "surge"


def _weights_of(rollout: Object) -> Iterator[TrafficWeight]:
    weights = dig(rollout, "status", "canary", "weights") or {}
    for role in ("stable", "canary"):
        if role in weights:
            yield TrafficWeight(role, weights[role].get("podTemplateHash", ""), weights[role].get("weight", 0))
