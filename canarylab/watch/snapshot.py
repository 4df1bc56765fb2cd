"""Reads everything of a Rollout that is shown, in one go. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canarylab.kube.client import is_served
from canarylab.kube.objects import Object
from canarylab.kube.watch import Watch
from canarylab.rollouts import analysis, view
from canarylab.rollouts.routes.route_objects import weighted_objects
from canarylab.rollouts.view import API_VERSION, parts_of

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster


@dataclass(frozen=True)
class RolloutSnapshot:
    """The objects as the API had them at one moment. `analysis_runs` are by what the Rollout has them for."""

    rollout: Object
    replica_sets: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    routes: Sequence[Object] = ()
    analysis_runs: Sequence[tuple[str, Object]] = ()


def take_snapshot(cluster: Cluster, namespace: str, name: str) -> RolloutSnapshot | None:
    """The Rollout and what belongs to it; None where there is no such Rollout (any more)."""
    rollout = cluster.get(API_VERSION, "Rollout", name, namespace)
    if rollout is None:
        return None
    return RolloutSnapshot(
        rollout,
        *parts_of(cluster, rollout),
        _routes(cluster, rollout),
        analysis.current(cluster, rollout),
    )


def watches(snapshot: RolloutSnapshot) -> list[Watch]:
    """What to watch to see every change of it."""
    namespace = snapshot.rollout["metadata"]["namespace"]
    routed = {(one["apiVersion"], one["kind"], one["metadata"]["namespace"]) for one in snapshot.routes}
    return [*view.watches(namespace), analysis.watch(namespace)] + [Watch(*each) for each in sorted(routed)]


def _routes(cluster: Cluster, rollout: Object) -> list[Object]:
    """Those that are there (yet); the Rollout says itself which aren't."""
    refs = (ref for ref in weighted_objects(rollout) if is_served(cluster, ref.api_version, ref.kind))
    return [found for ref in refs if (found := cluster.get(*ref)) is not None]
