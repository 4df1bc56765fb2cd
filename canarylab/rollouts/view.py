"""A Rollout as `kubectl argo rollouts get rollout` shows it, from the API's objects. Pure, except for `read_rollout`.

The plugin derives its figures on its own side of the API, and so does this: the status alone says neither SetWeight
nor which revision is the canary, and it is stale until the controller has observed the newest generation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canarylab.errors import ExpectationError
from canarylab.kube.objects import Object, dig, listed
from canarylab.kube.watch import Watch
from canarylab.kube.workloads import ROLLOUT_VERSION
from canarylab.rollouts.revisions import RevisionView, images_of, revisions_of
from canarylab.rollouts.strategy import Strategy, standstill, steps_done, steps_of, strategy_of
from canarylab.rollouts.traffic_routing import CANARY, full_weight

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster

API_VERSION = ROLLOUT_VERSION
_ALL = 100


@dataclass(frozen=True)
class Replicas:
    """The block of that name in the plugin's tree."""

    desired: int
    current: int
    updated: int
    ready: int
    available: int


@dataclass(frozen=True)
class RolloutView:
    """A Rollout, its revisions from the newest to the oldest.

    Weights are in percent. With the strategy blueGreen there are only two: all or nothing of the active Service.
    """

    namespace: str
    name: str
    strategy: Strategy
    phase: str
    message: str
    step: str | None
    set_weight: int
    actual_weight: int
    replicas: Replicas
    current_hash: str
    stable_hash: str
    aborted: bool
    standstill: str
    """Why it goes no further until somebody acts; "" where it may by itself."""
    images: Mapping[str, str]
    """Container to image, as the Rollout's template wants them."""
    revisions: tuple[RevisionView, ...]
    experimental: Mapping[str, float]
    """What the pods of an experiment get now, by their hash, in percent: stable gets so much less."""

    @classmethod
    def of(cls, rollout: Object, replica_sets: Iterable[Object], pods: Iterable[Object]) -> RolloutView:
        """From objects of the API; ReplicaSets and pods of others are left out."""
        phase, message = _phase(rollout)
        status = rollout.get("status", {})
        revisions = revisions_of(rollout, replica_sets, tuple(pods))
        return cls(
            namespace=rollout["metadata"]["namespace"],
            name=rollout["metadata"]["name"],
            strategy=strategy_of(rollout),
            phase=phase,
            message=message,
            step=f"{steps_done(rollout)}/{len(steps_of(rollout))}" if steps_of(rollout) else None,
            set_weight=_set_weight(rollout),
            actual_weight=_actual_weight(rollout, revisions),
            replicas=Replicas(
                desired=rollout["spec"].get("replicas", 1),
                current=status.get("replicas", 0),
                updated=status.get("updatedReplicas", 0),
                ready=status.get("readyReplicas", 0),
                available=status.get("availableReplicas", 0),
            ),
            current_hash=status.get("currentPodHash", ""),
            stable_hash=status.get("stableRS", ""),
            aborted=bool(status.get("abort")),
            standstill=standstill(rollout),
            images=images_of(dig(rollout, "spec", "template")),
            revisions=revisions,
            experimental=_experimental(rollout),
        )

    @property
    def stable(self) -> RevisionView | None:
        """The stable revision; None until one has been healthy, or where its ReplicaSet is gone."""
        return self._of(self.stable_hash)

    @property
    def wanted(self) -> RevisionView | None:
        """The revision of the template as the controller last saw it; None until its ReplicaSet is there."""
        return self._of(self.current_hash)

    @property
    def canary(self) -> RevisionView | None:
        """The revision that is rolled out, a preview too; None when there is none beside the stable one."""
        return self.wanted if self.updating else None

    def _of(self, digest: str) -> RevisionView | None:
        return next((revision for revision in self.revisions if digest and revision.hash == digest), None)

    @property
    def updating(self) -> bool:
        """Whether the template wanted isn't the stable one (any more), or isn't known to be."""
        return not self.stable_hash or self.current_hash != self.stable_hash

    @property
    def status(self) -> str:
        """The phase, with the controller's message if there is one."""
        return f"{self.phase} ({self.message})" if self.message else self.phase

    @property
    def trouble(self) -> str:
        """Why pods don't become ready, in their own words; "" where none says so."""
        pods = (pod for revision in self.revisions for pod in revision.pods)
        return "; ".join(pod.trouble for pod in pods if pod.trouble)

    def __str__(self) -> str:
        words = [self.status, f"step {self.step}" if self.step else "no steps"]
        words += [f"{one} is {one.role}" for one in self.revisions if one.role]
        return ", ".join([*words, f"SetWeight {self.set_weight}", f"ActualWeight {self.actual_weight}"])


def read_rollout(ctx: Context, namespace: str, name: str) -> RolloutView:
    """The Rollout as it is now. Raises ExpectationError if it isn't there."""
    return view_of(ctx, get_rollout(ctx, namespace, name))


def get_rollout(ctx: Context, namespace: str, name: str) -> dict[str, Any]:
    """The Rollout's own object. Raises ExpectationError if it isn't there."""
    rollout = ctx.cluster.get(API_VERSION, "Rollout", name, namespace)
    if rollout is None:
        remedy = f"`{ctx.command('up')}` brings it up"
        raise ExpectationError(f"there is no Rollout {namespace}/{name}", remedy=remedy)
    return rollout


def view_of(ctx: Context, rollout: Object) -> RolloutView:
    """The Rollout with its ReplicaSets and pods as they are now."""
    return RolloutView.of(rollout, *parts_of(ctx.cluster, rollout))


def parts_of(cluster: Cluster, rollout: Object) -> tuple[Sequence[Object], Sequence[Object]]:
    """The ReplicaSets and the pods that its selector selects, of which some may be another's."""
    namespace, labels = rollout["metadata"]["namespace"], dig(rollout, "spec", "selector", "matchLabels")
    replica_sets, pods = (list(cluster.list(*kind, namespace, labels)) for kind in _PARTS)
    return replica_sets, pods


_PARTS = (("apps/v1", "ReplicaSet"), ("v1", "Pod"))


def watches(namespace: str) -> Sequence[Watch]:
    """What to watch to see every change of a Rollout's view."""
    return [Watch(version, kind, namespace) for version, kind in ((API_VERSION, "Rollout"), *_PARTS)]


def _phase(rollout: Object) -> tuple[str, str]:
    """Phase and message, as stale as the status may be: until the controller has seen it, a change is Progressing."""
    status = rollout.get("status", {})
    if status.get("observedGeneration") != str(rollout["metadata"]["generation"]):
        return "Progressing", "waiting for rollout spec update to be observed"
    if status.get("controllerPause") and not status.get("pauseConditions"):
        return "Progressing", "waiting for rollout to unpause"
    return status.get("phase", "Progressing"), status.get("message", "")


def _experimental(rollout: Object) -> dict[str, float]:
    """As the controller has given it to the traffic router (rollout/trafficrouting.go)."""
    whole = full_weight(dig(rollout, *CANARY))
    additional = listed(rollout, "status", "canary", "weights", "additional")
    return {str(dig(one, "podTemplateHash") or ""): _ALL * (dig(one, "weight") or 0) / whole for one in additional}


def _active_weight(rollout: Object) -> int:
    """All or nothing: whether the active Service selects the newest revision."""
    active, current = dig(rollout, "status", "blueGreen", "activeSelector"), dig(rollout, "status", "currentPodHash")
    return _ALL if active and active == current else 0


def _set_weight(rollout: Object) -> int:
    """The weight of the last setWeight step reached; all of it once the steps are done, none after an abort."""
    if strategy_of(rollout) == "blueGreen":
        return _active_weight(rollout)
    steps, index = steps_of(rollout), steps_done(rollout)
    if dig(rollout, "status", "abort"):
        return 0
    if index >= len(steps):
        return full_weight(dig(rollout, *CANARY))
    reached = [step["setWeight"] for step in steps[: index + 1] if step.get("setWeight") is not None]
    return reached[-1] if reached else 0


def _actual_weight(rollout: Object, revisions: Iterable[RevisionView]) -> int:
    """The weight that the traffic router was given; without a router, the canary's share of the available pods."""
    if strategy_of(rollout) == "blueGreen":
        return _active_weight(rollout)
    if steps_done(rollout) >= len(steps_of(rollout)):
        return full_weight(dig(rollout, *CANARY))
    available = dig(rollout, "status", "availableReplicas") or 0
    if not available:
        return 0
    if dig(rollout, "spec", "strategy", "canary", "trafficRouting") is None:
        canary = sum(revision.available for revision in revisions if revision.role == "canary")
        return int(canary * full_weight(dig(rollout, *CANARY)) // available)
    weight = dig(rollout, "status", "canary", "weights", "canary", "weight")
    return _set_weight(rollout) if weight is None else int(weight)
