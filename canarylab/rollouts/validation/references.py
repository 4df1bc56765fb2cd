"""What a Rollout refers to and there is none of, or which doesn't fit: Argo finds it once the Rollout is there.

The rules are those of argo-rollouts, pkg/apis/rollouts/validation/validation_references.go and
rollout/trafficrouting/istio/istio.go (v1.10.1).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError
from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.revisions import HASH_LABEL
from canarylab.rollouts.routes import virtual_services
from canarylab.rollouts.routes.route import Route
from canarylab.rollouts.routing import (
    ISTIO,
    ListedVirtualService,
    Sides,
    listed_virtual_services,
    managed_routes,
    services_of,
)
from canarylab.rollouts.validation import analysis
from canarylab.rollouts.validation.known import Known, cluster_if_any, missing
from canarylab.rollouts.validation.mistake import Mistake, mistake
from canarylab.yamlfile.problems import Place, choose, shown

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_FORESEEN = ("manifests", "namespace")
"""Kinds of stages of which it is known what they make in a namespace."""


def refuse_dangling(
    ctx: Context, documents: Sequence[tuple[Path, Object]], declared: Callable[[], Iterable[tuple[Path, Object]]]
) -> None:
    """Raise StageError, with file and line, for the first reference of a Rollout that leads nowhere, or to the wrong.

    What isn't among the documents themselves is looked for in `declared`, the objects of all the playbook's manifests,
    and then in the cluster. Where a chart is installed into the same namespace, it may be the chart that has it.
    """
    others = {getattr(stage.options, "namespace", None) for stage in ctx.playbook.stages if stage.kind not in _FORESEEN}
    known = Known(documents)
    for file, obj in documents:
        is_rollout = obj["kind"] == "Rollout" and str(obj["apiVersion"]).startswith("argoproj.io/")
        if is_rollout and any(mistakes(obj, known)):
            known = Known(declared(), cluster_if_any(ctx))
            may_come = dig(obj, "metadata", "namespace") in others
            found: Mistake | None = None
            with contextlib.suppress(CanarylabError):  # the cluster doesn't say: the stage will find it
                found = next((one for one in mistakes(obj, known) if not (one.may_come and may_come)), None)
            if found:
                raise found.error(file, obj)


def mistakes(rollout: Object, known: Known) -> Iterator[Mistake]:
    """Of a Rollout that names its namespace."""
    yield from _services(rollout, known)
    yield from _virtual_services(rollout, known)
    yield from _destination_rule(rollout, known)
    yield from analysis.mistakes(rollout, known)


def _services(rollout: Object, known: Known) -> Iterator[Mistake]:
    namespace, labels = dig(rollout, "metadata", "namespace"), dig(rollout, "spec", "template", "metadata", "labels")
    for place, name in services_of(rollout):
        service = known.find("v1", "Service", name, namespace)
        if service is None:
            yield missing(known, place, "Service", name, namespace)
        elif dig(rollout, "spec", "workloadRef") is None:
            for key, value in (dig(service, "spec", "selector") or {}).items():
                if key != HASH_LABEL and dig(labels, key) != value:
                    yield mistake("other-pods", place, service=name, key=key, value=value)


def _virtual_services(rollout: Object, known: Known) -> Iterator[Mistake]:
    for entry in listed_virtual_services(rollout):
        found = known.find(virtual_services.API_VERSION, virtual_services.KIND, entry.name, entry.namespace)
        if found is None:
            yield missing(known, (*entry.place, "name"), virtual_services.KIND, entry.name, entry.namespace)
        else:
            routes = virtual_services.routes(found)
            yield from _routes(rollout, entry, routes)
            yield from _streams(rollout, entry, routes)


def _routes(rollout: Object, entry: ListedVirtualService, routes: Sequence[Route]) -> Iterator[Mistake]:
    """The http routes that Argo is to weigh: each is there, and leads to both revisions."""
    http = [route for route in routes if route.protocol == "http"]
    if routes and not http:
        return
    by_name = {route.name: route for route in http if route.name}
    for index, name in enumerate(entry.routes):
        place = (*entry.place, "routes", index)
        if name in by_name:
            yield from _destinations(rollout, place, by_name[name])
        else:
            meant = choose(str(name), by_name)
            yield mistake("no-http-route", place, entry=entry.written, given=shown(name), name=name, choose=meant)
    managed = managed_routes(rollout)
    own = [route for route in http if route.name not in managed]
    if not entry.routes and len(own) == 1:
        yield from _destinations(rollout, entry.place, own[0])
    elif not entry.routes:
        meant = choose("", by_name)
        yield mistake("no-http-route-chosen", entry.place, entry=entry.written, count=len(own), choose=meant)


def _streams(rollout: Object, entry: ListedVirtualService, routes: Sequence[Route]) -> Iterator[Mistake]:
    """The routes by tls and tcp: Argo weighs the only one, unless some are chosen."""
    for protocol, chosen in (("tls", entry.tls_routes), ("tcp", entry.tcp_routes)):
        there = [route for route in routes if route.protocol == protocol]
        if len(there) == 1 and not chosen:
            yield from _destinations(rollout, entry.place, there[0])
        elif there and not chosen:
            yield mistake("no-stream-chosen", entry.place, entry=entry.written, count=len(there), protocol=protocol)


def _destinations(rollout: Object, place: Place, route: Route) -> Iterator[Mistake]:
    """A route needs a destination for stable and one for the canary: two Services, or two subsets."""
    sides = Sides.of(rollout)
    there = {one.subset if sides.by == "subset" else one.service for one in route.destinations} - {""}
    has = ", ".join(sorted(there)) or "none"
    for name in (sides.stable, sides.canary):
        if name not in there:
            yield mistake("no-destination", place, by=sides.by, name=name or "(no name)", written=name, has=has)


def _destination_rule(rollout: Object, known: Known) -> Iterator[Mistake]:
    place, namespace = (*ISTIO, "destinationRule"), dig(rollout, "metadata", "namespace")
    name = dig(rollout, *place, "name")
    if not isinstance(name, str):
        return
    found = known.find(virtual_services.API_VERSION, "DestinationRule", name, namespace)
    if found is None:
        yield missing(known, (*place, "name"), "DestinationRule", name, namespace)
        return
    subsets = [str(dig(subset, "name")) for subset in listed(found, "spec", "subsets")]
    for key in ("stableSubsetName", "canarySubsetName"):
        subset = dig(rollout, *place, key)
        if isinstance(subset, str) and subset not in subsets:
            yield mistake("no-subset", (*place, key), name=name, subset=subset, choose=choose(subset, subsets))
