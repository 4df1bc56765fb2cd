"""The revisions of a Rollout: its ReplicaSets, each with its role and its pods. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from canarylab.kube.objects import Object, condition, dig, listed
from canarylab.kube.times import epoch
from canarylab.rollouts.pods import PodView
from canarylab.rollouts.strategy import strategy_of

Role = Literal["stable", "canary", "active", "preview", ""]

HASH_LABEL = "rollouts-pod-template-hash"
_REVISION = "rollout.argoproj.io/revision"
_SCALE_DOWN = "scale-down-deadline"
"""The annotation in which Argo's controller keeps when an old ReplicaSet is scaled down."""


@dataclass(frozen=True)
class RevisionView:
    """A ReplicaSet of a Rollout. `images` maps container to image; `status` is Healthy, Progressing or ScaledDown.

    Times are seconds since 1970.
    """

    number: int
    hash: str
    name: str
    role: Role
    status: str
    wanted: int
    ready: int
    available: int
    images: Mapping[str, str]
    created: float | None
    scales_down_at: float | None
    trouble: str
    """Why it has fewer pods than it wants, in its controller's words; "" where it says nothing."""
    pods: tuple[PodView, ...]
    """The oldest first."""

    @property
    def is_shown(self) -> bool:
        """Old revisions stay for a rollback, without pods."""
        return bool(self.role or self.wanted or self.pods)

    def __str__(self) -> str:
        return f"revision {self.number} ({listed_images(self.images)})"


def revisions_of(rollout: Object, replica_sets: Iterable[Object], pods: Sequence[Object]) -> tuple[RevisionView, ...]:
    """Of all ReplicaSets the Rollout's own with their pods, from the newest to the oldest."""
    owned = [one for one in replica_sets if _owned_by(one, rollout)]
    found = [_revision(rollout, one, [pod for pod in pods if _owned_by(pod, one)]) for one in owned]
    return tuple(sorted(found, key=lambda revision: -revision.number))


def _revision(rollout: Object, replica_set: Object, pods: Sequence[Object]) -> RevisionView:
    meta = replica_set["metadata"]
    digest = dig(meta, "labels", HASH_LABEL) or ""
    return RevisionView(
        number=int(dig(meta, "annotations", _REVISION) or 0),
        hash=digest,
        name=meta["name"],
        role=_role(rollout, digest),
        status=_replica_set_status(replica_set),
        wanted=replica_set["spec"].get("replicas", 1),
        ready=dig(replica_set, "status", "readyReplicas") or 0,
        available=dig(replica_set, "status", "availableReplicas") or 0,
        created=epoch(dig(meta, "creationTimestamp")),
        scales_down_at=epoch(dig(meta, "annotations", _SCALE_DOWN)),
        trouble=condition(replica_set, "ReplicaFailure").get("message", ""),
        images=images_of(replica_set["spec"]["template"]),
        pods=tuple(sorted(map(PodView.of, pods), key=lambda pod: (pod.created or 0.0, pod.name))),
    )


def _role(rollout: Object, digest: str) -> Role:
    """What the Argo plugin calls it, except that a revision has one role: with blueGreen, that of its Service."""
    is_current = digest == dig(rollout, "status", "currentPodHash")
    if strategy_of(rollout) == "blueGreen":
        if digest == dig(rollout, "status", "blueGreen", "activeSelector"):
            return "active"
        return "preview" if is_current else ""
    if digest == dig(rollout, "status", "stableRS"):
        return "stable"
    return "canary" if is_current else ""


def _replica_set_status(replica_set: Object) -> str:
    wanted = replica_set["spec"].get("replicas", 1)
    status = replica_set.get("status", {})
    unobserved = status.get("observedGeneration", 0) < replica_set["metadata"].get("generation", 0)
    if unobserved or status.get("availableReplicas", 0) < wanted:
        return "Progressing"
    return "Healthy" if wanted else "ScaledDown"


def images_of(template: Object | None) -> dict[str, str]:
    """Container to image of a pod template; the init containers last."""
    containers = (*listed(template, "spec", "containers"), *listed(template, "spec", "initContainers"))
    return {one["name"]: one["image"] for one in containers if one.get("image")}


def listed_images(images: Mapping[str, str]) -> str:
    """Each image once, in words: containers of one release often share one."""
    return ", ".join(dict.fromkeys(images.values()))


def _owned_by(obj: Object, owner: Object) -> bool:
    owners = dig(obj, "metadata", "ownerReferences") or ()
    return any(reference["uid"] == owner["metadata"]["uid"] for reference in owners)
