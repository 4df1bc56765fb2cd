"""Who sets the number of pods, where the manifest isn't the only one that does: told before anything is applied.

An autoscaler has spec.scaleTargetRef, whichever kind it is: Kubernetes' own, KEDA's ScaledObject and others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError
from canarylab.kube.objects import Object, dig
from canarylab.rollouts.managed import Managed, refers_to, scaled_by, scales_down
from canarylab.rollouts.validation.known_objects import cluster_if_any
from canarylab.rollouts.validation.mistake import mistake, place_in

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_REPLICAS = ("spec", "replicas")
_TARGET = ("spec", "scaleTargetRef")


def told(ctx: Context, documents: Sequence[tuple[Path, Object]], declared: Iterable[Object]) -> Iterator[str]:
    """For each object of the documents whose `replicas` somebody else sets later: who, and what becomes of it.

    Raises StageError for an autoscaler of a Deployment whose pods Argo takes away.
    """
    everything = list(declared)
    _refuse_misdirected(documents, everything)
    written = [(file, obj) for file, obj in documents if dig(obj, *_REPLICAS) is not None]
    managed = _managed(ctx, [obj for _, obj in written])
    for file, obj in written:
        subject, where = f"{obj['kind']} {obj['metadata']['name']}", place_in(file, obj, _REPLICAS)
        if scaler := scaled_by(everything, obj) or managed.scaler_of(obj):
            by, only = f"{scaler['kind']} {scaler['metadata']['name']}", dig(obj, *_REPLICAS)
            yield (
                f"{subject}: {by} sets how many pods it has, so `replicas: {only}` ({where}) counts only when it is "
                "created, and is left alone afterwards; take `replicas` out to have the number in one place"
            )
        elif rollout := next((one for one in everything if scales_down(one, obj)), None):
            yield (
                f"{subject}: its replicas ({where}) are left to Argo once it is there: Rollout "
                f"{rollout['metadata']['name']} takes its template and scales it down (workloadRef.scaleDown)"
            )


def _refuse_misdirected(documents: Iterable[tuple[Path, Object]], everything: Sequence[Object]) -> None:
    workloads = [(one, obj) for one in everything for obj in everything if refers_to(one, obj)]
    for file, scaler in documents:
        for rollout, workload in workloads:
            if scaled_by([scaler], workload) and scales_down(rollout, workload):
                name, of = workload["metadata"]["name"], rollout["metadata"]["name"]
                raise mistake("scales-the-workload", _TARGET, workload=name, rollout=of).error(file, scaler)


def _managed(ctx: Context, objects: Sequence[Object]) -> Managed:
    """What the cluster knows of it; nothing while there is none, or none that answers."""
    with contextlib.suppress(CanarylabError):
        if objects and (cluster := cluster_if_any(ctx)):
            return Managed.read(cluster, objects)
    return Managed()
