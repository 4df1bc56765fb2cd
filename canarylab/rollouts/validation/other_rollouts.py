"""Routes of the playbook's manifests that are weighed by a Rollout that no manifest has: a chart's, for one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError
from canarylab.kube.client import is_served
from canarylab.kube.objects import Object, dig
from canarylab.rollouts.routes import virtual_services
from canarylab.rollouts.traffic_routing import ISTIO, listed_virtual_services
from canarylab.rollouts.validation import subsets
from canarylab.rollouts.validation.known_objects import cluster_if_any
from canarylab.rollouts.validation.references import is_rollout, permanent_mistakes
from canarylab.rollouts.view import API_VERSION

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_Name = tuple[str, str | None, str | None]
"""Kind, namespace and name."""


def refuse_lost(
    ctx: Context, documents: Sequence[tuple[Path, Object]], declared: Callable[[], Iterable[tuple[Path, Object]]]
) -> None:
    """Raise StageError, with file and line, for what such a Rollout would do to these documents.

    The cluster is asked only for those that no Rollout of the manifests names. A cluster that doesn't answer is no
    obstacle: then nothing is known.
    """
    routed = {_name(obj) for _, obj in documents if obj["kind"] in (virtual_services.KIND, subsets.KIND)}
    if not _unclaimed(routed, documents):
        return
    every, files = tuple(declared()), {file for file, _ in documents}
    unclaimed = _unclaimed(routed, every)
    for rollout in _live(ctx) if unclaimed else ():
        if unclaimed.intersection(_written(rollout)):
            for found in permanent_mistakes(ctx, rollout, every):
                if found.inside and found.inside[0] in files:
                    raise found.error(*found.inside)


def _unclaimed(routed: Set[_Name], documents: Iterable[tuple[Path, Object]]) -> set[_Name]:
    """Those that no Rollout of the documents names."""
    return set(routed).difference(*(_written(obj) for _, obj in documents if is_rollout(obj)))


def _live(ctx: Context) -> list[Object]:
    with contextlib.suppress(CanarylabError):
        cluster = cluster_if_any(ctx)
        if cluster and is_served(cluster, API_VERSION, "Rollout"):
            return list(cluster.list(API_VERSION, "Rollout"))
    return []


def _name(obj: Object) -> _Name:
    return obj["kind"], dig(obj, "metadata", "namespace"), dig(obj, "metadata", "name")


def _written(rollout: Object) -> Iterator[_Name]:
    """What the Rollout has Argo write."""
    for entry in listed_virtual_services(rollout):
        yield virtual_services.KIND, entry.namespace, entry.name
    yield subsets.KIND, dig(rollout, "metadata", "namespace"), dig(rollout, *ISTIO, "destinationRule", "name")
