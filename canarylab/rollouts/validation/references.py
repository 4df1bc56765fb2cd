"""What a Rollout refers to and there is none of, or which doesn't fit: Argo finds it once the Rollout is there.

The rules are those of argo-rollouts, pkg/apis/rollouts/validation/validation_references.go and
rollout/trafficrouting/istio/istio.go (v1.10.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.revisions import HASH_LABEL
from canarylab.rollouts.routes import virtual_services
from canarylab.rollouts.routes.route import Route
from canarylab.rollouts.routing import (
    CANARY,
    ISTIO,
    ListedVirtualService,
    Sides,
    listed_virtual_services,
    managed_routes,
)
from canarylab.rollouts.validation.known import Known
from canarylab.rollouts.validation.mistake import Mistake
from canarylab.rollouts.validation.steps import INVALID
from canarylab.rollouts.view import API_VERSION
from canarylab.yamlfile.problems import Place, choose, shown

_BLUE_GREEN = ("spec", "strategy", "blueGreen")
_SERVICES: Sequence[tuple[str, ...]] = (
    (*CANARY, "canaryService"),
    (*CANARY, "stableService"),
    (*CANARY, "pingPong", "pingService"),
    (*CANARY, "pingPong", "pongService"),
    (*_BLUE_GREEN, "activeService"),
    (*_BLUE_GREEN, "previewService"),
)


def mistakes(rollout: Object, known: Known) -> Iterator[Mistake]:
    """Of a Rollout that names its namespace."""
    yield from _services(rollout, known)
    yield from _virtual_services(rollout, known)
    yield from _destination_rule(rollout, known)
    yield from _analysis(rollout, known)


def _missing(known: Known, place: Place, kind: str, name: str, namespace: str | None) -> Mistake:
    where = f" in namespace {namespace}" if namespace else ""
    return Mistake(
        place,
        f"there is no {kind} {name}{where}",
        f'{INVALID}{kind} "{name}" not found; neither the playbook\'s manifests nor the cluster have it',
        f"{choose(name, known.names(kind, namespace))}; or add it to the manifests",
    )


def _services(rollout: Object, known: Known) -> Iterator[Mistake]:
    namespace, labels = dig(rollout, "metadata", "namespace"), dig(rollout, "spec", "template", "metadata", "labels")
    for place in _SERVICES:
        name = dig(rollout, *place)
        if not isinstance(name, str) or not name:
            continue
        service = known.find("v1", "Service", name, namespace)
        if service is None:
            yield _missing(known, place, "Service", name, namespace)
        elif dig(rollout, "spec", "workloadRef") is None:
            yield from _unmatched(place, service, labels)


def _unmatched(place: Place, service: Object, labels: Any) -> Iterator[Mistake]:
    for key, value in (dig(service, "spec", "selector") or {}).items():
        if key != HASH_LABEL and dig(labels, key) != value:
            yield Mistake(
                place,
                f"Service {dig(service, 'metadata', 'name')} selects {key}={value}, and the Rollout's pods aren't that",
                f'{INVALID}Service has unmatch label "{key}" in rollout',
                "let the Service's spec.selector and the Rollout's spec.template.metadata.labels agree",
            )


def _virtual_services(rollout: Object, known: Known) -> Iterator[Mistake]:
    for entry in listed_virtual_services(rollout):
        found = known.find(virtual_services.API_VERSION, virtual_services.KIND, entry.name, entry.namespace)
        if found is None:
            yield _missing(known, (*entry.place, "name"), virtual_services.KIND, entry.name, entry.namespace)
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
        if name not in by_name:
            yield Mistake(
                (*entry.place, "routes", index),
                f"VirtualService {entry.written} has no http route named {shown(name)}",
                f"{INVALID}HTTP Route '{name}' is not found in the defined Virtual Service",
                choose(str(name), list(by_name)),
            )
        else:
            yield from _destinations(rollout, (*entry.place, "routes", index), by_name[name])
    managed = managed_routes(rollout)
    own = [route for route in http if route.name not in managed]
    if not entry.routes and len(own) == 1:
        yield from _destinations(rollout, entry.place, own[0])
    elif not entry.routes:
        yield Mistake(
            entry.place,
            f"VirtualService {entry.written} has {len(own)} http routes, and none of them is chosen",
            f"{INVALID}it must have exactly one route when omitting routes",
            f"write `routes: [NAME]`; {choose('', list(by_name))}",
        )


def _streams(rollout: Object, entry: ListedVirtualService, routes: Sequence[Route]) -> Iterator[Mistake]:
    """The routes by tls and tcp: Argo weighs the only one, unless some are chosen."""
    for protocol, chosen in (("tls", entry.tls_routes), ("tcp", entry.tcp_routes)):
        there = [route for route in routes if route.protocol == protocol]
        if not there or chosen:
            continue
        if len(there) == 1:
            yield from _destinations(rollout, entry.place, there[0])
        else:
            yield Mistake(
                entry.place,
                f"VirtualService {entry.written} has {len(there)} {protocol} routes, and none of them is chosen",
                f"{INVALID}it must have exactly one route when omitting {protocol}Routes",
                f"write `{protocol}Routes: [{{port: PORT}}]`",
            )


def _destinations(rollout: Object, place: Place, route: Route) -> Iterator[Mistake]:
    """A route needs a destination for stable and one for the canary: two Services, or two subsets."""
    sides = Sides.of(rollout)
    there = {one.subset if sides.by == "subset" else one.service for one in route.destinations} - {""}
    for name in (sides.stable, sides.canary):
        if name not in there:
            yield Mistake(
                place,
                f"that route has no destination with {sides.by} {name or '(no name)'}; "
                f"it has {', '.join(sorted(there)) or 'none'}",
                f"{INVALID}{sides.by} '{name}' not found in route",
                "give the route two destinations, one for stable with weight 100 and one for the canary with weight 0",
            )


def _destination_rule(rollout: Object, known: Known) -> Iterator[Mistake]:
    place, namespace = (*ISTIO, "destinationRule"), dig(rollout, "metadata", "namespace")
    name = dig(rollout, *place, "name")
    if not isinstance(name, str):
        return
    found = known.find(virtual_services.API_VERSION, "DestinationRule", name, namespace)
    if found is None:
        yield _missing(known, (*place, "name"), "DestinationRule", name, namespace)
        return
    subsets = [str(dig(subset, "name")) for subset in listed(found, "spec", "subsets")]
    for key in ("stableSubsetName", "canarySubsetName"):
        subset = dig(rollout, *place, key)
        if isinstance(subset, str) and subset not in subsets:
            yield Mistake(
                (*place, key),
                f"DestinationRule {name} has no subset {subset}",
                "Argo would label no subset with the revision's hash, so its route would lead to no pod",
                choose(subset, subsets),
            )


def _analysis(rollout: Object, known: Known) -> Iterator[Mistake]:
    steps = enumerate(listed(rollout, *CANARY, "steps"))
    places: list[Place] = [(*CANARY, "steps", index, "analysis") for index, step in steps if dig(step, "analysis")]
    places += [(*CANARY, "analysis")]
    places += [(*_BLUE_GREEN, key) for key in ("prePromotionAnalysis", "postPromotionAnalysis")]
    for place in places:
        for index, template in enumerate(listed(_at(rollout, place), "templates")):
            cluster_wide = bool(dig(template, "clusterScope"))
            kind = "ClusterAnalysisTemplate" if cluster_wide else "AnalysisTemplate"
            namespace = None if cluster_wide else dig(rollout, "metadata", "namespace")
            name = dig(template, "templateName")
            if isinstance(name, str) and known.find(API_VERSION, kind, name, namespace) is None:
                yield _missing(known, (*place, "templates", index, "templateName"), kind, name, namespace)


def _at(obj: Any, place: Place) -> Any:
    for part in place:
        obj = obj[part] if isinstance(part, int) else dig(obj, part)
    return obj
