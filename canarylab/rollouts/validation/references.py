"""What a Rollout refers to and there is none of, or which doesn't fit: Argo finds it once the Rollout is there.

The rules are those of argo-rollouts, pkg/apis/rollouts/validation/validation_references.go and
rollout/trafficrouting/istio/istio.go (v1.10.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.validation.known import Known
from canarylab.rollouts.validation.steps import INVALID
from canarylab.yamlfile.mistake import Mistake
from canarylab.yamlfile.problems import Place, choose, shown

_CANARY = ("spec", "strategy", "canary")
_BLUE_GREEN = ("spec", "strategy", "blueGreen")
_ISTIO = (*_CANARY, "trafficRouting", "istio")
_NETWORKING, _ARGO = "networking.istio.io/v1", "argoproj.io/v1alpha1"
_HASH_LABEL = "rollouts-pod-template-hash"
_SERVICES: Sequence[tuple[str, ...]] = (
    (*_CANARY, "canaryService"),
    (*_CANARY, "stableService"),
    (*_CANARY, "pingPong", "pingService"),
    (*_CANARY, "pingPong", "pongService"),
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
        if key != _HASH_LABEL and dig(labels, key) != value:
            yield Mistake(
                place,
                f"Service {dig(service, 'metadata', 'name')} selects {key}={value}, and the Rollout's pods aren't that",
                f'{INVALID}Service has unmatch label "{key}" in rollout',
                "let the Service's spec.selector and the Rollout's spec.template.metadata.labels agree",
            )


def _virtual_services(rollout: Object, known: Known) -> Iterator[Mistake]:
    one = dig(rollout, *_ISTIO, "virtualService")
    several = listed(rollout, *_ISTIO, "virtualServices")
    named: list[tuple[Place, Any]] = [((*_ISTIO, "virtualService"), one)] if one else []
    named += [((*_ISTIO, "virtualServices", index), each) for index, each in enumerate(several)]
    for place, entry in named:
        written = dig(entry, "name")
        if not isinstance(written, str):
            continue
        name, namespace = _split(written, dig(rollout, "metadata", "namespace"))
        found = known.find(_NETWORKING, "VirtualService", name, namespace)
        if found is None:
            yield _missing(known, (*place, "name"), "VirtualService", name, namespace)
        else:
            yield from _routes(rollout, place, entry, found)
            yield from _streams(rollout, place, entry, found)


def _split(written: str, namespace: str | None) -> tuple[str, str | None]:
    """Name and namespace of a VirtualService that is written `name` or `name.namespace`."""
    name, _, other = written.removesuffix(".cluster.local").rpartition(".")
    return (name, other) if name else (written, namespace)


def _routes(rollout: Object, place: Place, entry: Any, virtual_service: Object) -> Iterator[Mistake]:
    """The http routes that Argo is to weigh: each is there, and leads to both revisions."""
    there, names = listed(virtual_service, "spec", "http"), listed(entry, "routes")
    if not there and (listed(virtual_service, "spec", "tls") or listed(virtual_service, "spec", "tcp")):
        return
    by_name = {dig(route, "name"): route for route in there}
    for index, name in enumerate(names):
        if name not in by_name:
            yield Mistake(
                (*place, "routes", index),
                f"VirtualService {dig(entry, 'name')} has no http route named {shown(name)}",
                f"{INVALID}HTTP Route '{name}' is not found in the defined Virtual Service",
                choose(str(name), [str(known) for known in by_name if known]),
            )
        else:
            yield from _destinations(rollout, (*place, "routes", index), by_name[name])
    managed = [dig(one, "name") for one in listed(rollout, *_CANARY, "trafficRouting", "managedRoutes")]
    own = [route for route in there if dig(route, "name") not in managed]
    if not names and len(own) == 1:
        yield from _destinations(rollout, place, own[0])
    elif not names:
        yield Mistake(
            place,
            f"VirtualService {dig(entry, 'name')} has {len(own)} http routes, and none of them is chosen",
            f"{INVALID}it must have exactly one route when omitting routes",
            f"write `routes: [NAME]`; {choose('', [str(name) for name in by_name if name])}",
        )


def _streams(rollout: Object, place: Place, entry: Any, virtual_service: Object) -> Iterator[Mistake]:
    """The routes by tls and tcp: Argo weighs the only one, unless some are chosen."""
    for protocol in ("tls", "tcp"):
        there = listed(virtual_service, "spec", protocol)
        if not there or listed(entry, f"{protocol}Routes"):
            continue
        if len(there) == 1:
            yield from _destinations(rollout, place, there[0])
        else:
            yield Mistake(
                place,
                f"VirtualService {dig(entry, 'name')} has {len(there)} {protocol} routes, and none of them is chosen",
                f"{INVALID}it must have exactly one route when omitting {protocol}Routes",
                f"write `{protocol}Routes: [{{port: PORT}}]`",
            )


def _destinations(rollout: Object, place: Place, route: Any) -> Iterator[Mistake]:
    """A route needs a destination for stable and one for the canary: two Services, or two subsets."""
    subsets = dig(rollout, *_ISTIO, "destinationRule")
    destinations = [dig(each, "destination") for each in listed(route, "route")]
    if subsets is None:
        what, there = "Service", {str(dig(each, "host")).partition(".")[0] for each in destinations}
        wanted = [dig(rollout, *_CANARY, key) for key in ("stableService", "canaryService")]
        if not any(wanted):
            wanted = [dig(rollout, *_CANARY, "pingPong", key) for key in ("pingService", "pongService")]
    else:
        what, there = "subset", {str(dig(each, "subset")) for each in destinations}
        wanted = [dig(subsets, key) for key in ("stableSubsetName", "canarySubsetName")]
    for name in (str(each or "") for each in wanted):
        if name not in there:
            yield Mistake(
                place,
                f"that route has no destination with {what} {name or '(no name)'}; "
                f"it has {', '.join(sorted(there)) or 'none'}",
                f"{INVALID}{what} '{name}' not found in route",
                "give the route two destinations, one for stable with weight 100 and one for the canary with weight 0",
            )


def _destination_rule(rollout: Object, known: Known) -> Iterator[Mistake]:
    place, namespace = (*_ISTIO, "destinationRule"), dig(rollout, "metadata", "namespace")
    name = dig(rollout, *place, "name")
    if not isinstance(name, str):
        return
    found = known.find(_NETWORKING, "DestinationRule", name, namespace)
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
    steps = enumerate(listed(rollout, *_CANARY, "steps"))
    places: list[Place] = [(*_CANARY, "steps", index, "analysis") for index, step in steps if dig(step, "analysis")]
    places += [(*_CANARY, "analysis")]
    places += [(*_BLUE_GREEN, key) for key in ("prePromotionAnalysis", "postPromotionAnalysis")]
    for place in places:
        for index, template in enumerate(listed(_at(rollout, place), "templates")):
            cluster_wide = bool(dig(template, "clusterScope"))
            kind = "ClusterAnalysisTemplate" if cluster_wide else "AnalysisTemplate"
            namespace = None if cluster_wide else dig(rollout, "metadata", "namespace")
            name = dig(template, "templateName")
            if isinstance(name, str) and known.find(_ARGO, kind, name, namespace) is None:
                yield _missing(known, (*place, "templates", index, "templateName"), kind, name, namespace)


def _at(obj: Any, place: Place) -> Any:
    for part in place:
        obj = obj[part] if isinstance(part, int) else dig(obj, part)
    return obj
