"""What a Rollout refers to and there is none of, or which doesn't fit: Argo finds it once the Rollout is there.

The rules are those of argo-rollouts, pkg/apis/rollouts/validation/validation_references.go and
rollout/trafficrouting/istio/istio.go (v1.10.1).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canarylab.errors import CanarylabError
from canarylab.kube.objects import Object, dig
from canarylab.rollouts.revisions import HASH_LABEL
from canarylab.rollouts.routes import virtual_services
from canarylab.rollouts.traffic_routing import ListedVirtualService, listed_virtual_services, services_of
from canarylab.rollouts.validation import analysis, chosen_routes, destinations, managed_routes, subsets
from canarylab.rollouts.validation.known_objects import Known, cluster_if_any, missing
from canarylab.rollouts.validation.listed_virtual_service import Listed, weighed
from canarylab.rollouts.validation.mistake import Mistake, mistake
from canarylab.yamlfile.problems import did_you_mean

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_FORESEEN = ("manifests", "namespace")
"""Kinds of stages of which it is known what they make in a namespace."""


def refuse_dangling(
    ctx: Context, documents: Sequence[tuple[Path, Object]], declared: Callable[[], Iterable[tuple[Path, Object]]]
) -> None:
    """Raise StageError, with file and line, for the first reference of a Rollout that leads nowhere, or to the wrong.

    What isn't among the documents themselves is looked for in `declared`, the objects of all the playbook's manifests,
    and then in the cluster. Where a chart is installed into a namespace, it may be the chart that has what is missing.
    """
    known = Known(documents)
    for file, obj in documents:
        if is_rollout(obj) and any(mistakes(obj, known)):
            for found in permanent_mistakes(ctx, obj, declared()):
                raise found.error(file, obj)


def permanent_mistakes(ctx: Context, rollout: Object, declared: Iterable[tuple[Path, Object]]) -> Iterator[Mistake]:
    """The mistakes that are left once all manifests are applied, as far as the cluster says what else there is."""
    charts = chart_namespaces(ctx)
    namespace = dig(rollout, "metadata", "namespace")
    known = Known(declared, cluster_if_any(ctx))
    with contextlib.suppress(CanarylabError):  # the cluster doesn't say: the stage will find it
        for found in mistakes(rollout, known):
            if found.absent_from is None or charts.isdisjoint((namespace, found.absent_from)):
                yield found


def chart_namespaces(ctx: Context) -> set[str | None]:
    """Those in which other stages than the one at hand make objects that aren't known beforehand."""
    others = (one for one in ctx.playbook.stages if one.kind not in _FORESEEN and one.name != ctx.stage)
    return {getattr(stage.options, "namespace", None) for stage in others}


def is_rollout(obj: Object) -> bool:
    """Whether it is one of Argo's."""
    return obj["kind"] == "Rollout" and str(obj["apiVersion"]).startswith("argoproj.io/")


def mistakes(rollout: Object, known: Known) -> Iterator[Mistake]:
    """Of a Rollout that names its namespace."""
    yield from _workloads(rollout, known)
    yield from _services(rollout, known)
    yield from _virtual_services(rollout, known)
    yield from _destination_rule(rollout, known)
    yield from analysis.mistakes(rollout, known)


def _services(rollout: Object, known: Known) -> Iterator[Mistake]:
    namespace = dig(rollout, "metadata", "namespace")
    template = _template(rollout, known)
    for place, name in services_of(rollout):
        service = known.find("v1", "Service", name, namespace)
        if service is None:
            yield missing(known, place, "Service", name, namespace)
            continue
        for key, value in (dig(service, "spec", "selector") or {}).items() if template is not None else ():
            if key != HASH_LABEL and dig(template, "metadata", "labels", key) != value:
                yield mistake("other-pods", place, service=name, key=key, value=value)
        for other in _others_with(rollout, name, known):
            yield mistake("shared-service", place, service=name, other=other)


def _template(rollout: Object, known: Known) -> Any:
    """Of its pods; that of the workload which the Rollout refers to, None where it isn't there."""
    reference = dig(rollout, "spec", "workloadRef")
    if reference is None:
        return dig(rollout, "spec", "template") or {}
    workload = _workload(rollout, known)
    # A PodTemplate has it at the top (argo-rollouts, rollout/templateref.go).
    return dig(workload, "template") or dig(workload, "spec", "template")


def _workload(rollout: Object, known: Known) -> Object | None:
    reference = dig(rollout, "spec", "workloadRef")
    api_version, kind, name = (str(dig(reference, key)) for key in ("apiVersion", "kind", "name"))
    return known.find(api_version, kind, name, dig(rollout, "metadata", "namespace"))


def _workloads(rollout: Object, known: Known) -> Iterator[Mistake]:
    reference, namespace = dig(rollout, "spec", "workloadRef"), dig(rollout, "metadata", "namespace")
    if isinstance(name := dig(reference, "name"), str) and _workload(rollout, known) is None:
        yield missing(known, ("spec", "workloadRef", "name"), str(dig(reference, "kind")), name, namespace)


def _others_with(rollout: Object, service: str, known: Known) -> Iterator[str]:
    """The other Rollouts of the namespace that name a Service, too."""
    meta = dig(rollout, "metadata")
    for _, obj in known.declared(dig(meta, "namespace")):
        is_other = is_rollout(obj) and dig(obj, "metadata", "name") != dig(meta, "name")
        if is_other and any(name == service for _, name in services_of(obj)):
            yield str(dig(obj, "metadata", "name"))


def _listed(rollout: Object, known: Known) -> Iterator[ListedVirtualService | Listed]:
    """The VirtualServices that it lists; of one that isn't there what the Rollout says of it."""
    for entry in listed_virtual_services(rollout):
        found = known.find(virtual_services.API_VERSION, virtual_services.KIND, entry.name, entry.namespace)
        yield entry if found is None else Listed(rollout, entry, found, known.file_of(found))


def _virtual_services(rollout: Object, known: Known) -> Iterator[Mistake]:
    first = dict[str, ListedVirtualService]()
    for one in _listed(rollout, known):
        if isinstance(one, ListedVirtualService):
            instead = _meant(rollout, one.written, known)
            place = (*one.place, "name")
            yield missing(known, place, virtual_services.KIND, one.name, one.namespace, instead=instead)
        else:
            yield from chosen_routes.mistakes(one)
            yield from _judged_by(first.setdefault(one.entry.name, one.entry), one)
            for route in weighed(one):
                yield from destinations.mistakes(one, route, known)
            yield from managed_routes.mistakes(one)


def _judged_by(first: ListedVirtualService, one: Listed) -> Iterator[Mistake]:
    """Of two VirtualServices of one name, Argo looks for the routes of the first entry in both.

    It compares names without namespaces (validation_references.go, ValidateVirtualService).
    """
    by_first = dataclasses.replace(one, entry=first)
    own, found = (any(each.is_refused for each in chosen_routes.mistakes(which)) for which in (one, by_first))
    if found and not own:
        place = (*one.entry.place, "name")
        yield mistake("same-name", place, entry=one.entry.written, first=first.written, name=one.entry.name)


def multiplied(rollout: Object, known: Known) -> Iterator[Mistake]:
    """Of its VirtualServices, the routes that Argo multiplies whenever it writes them, be it to end an update."""
    for one in _listed(rollout, known):
        if isinstance(one, Listed):
            yield from managed_routes.multiplied(one)


def _meant(rollout: Object, written: str, known: Known) -> str:
    """What to write for a VirtualService that was probably meant.

    What is behind the last period is the namespace, so one has to stand there for a VirtualService of another
    namespace, and for one whose name has a period itself.
    """
    own = str(dig(rollout, "metadata", "namespace"))
    there = known.everywhere(virtual_services.API_VERSION, virtual_services.KIND)
    names = {(at, name): f"{name}.{at}" if at != own or "." in name else name for at, name in there}
    for at, name in sorted(there, key=lambda one: (one[0] != own, one)):
        if written in (name, f"{at}/{name}", f"{name}.{at}.svc", f"{name}.{at}.svc.cluster.local"):
            is_in = f"VirtualService {name} is in namespace {at}"
            return (
                f"write `{names[at, name]}`: {is_in}, and Argo takes what is behind the last period for the namespace"
            )
    return did_you_mean(written, names.values())


def _destination_rule(rollout: Object, known: Known) -> Iterator[Mistake]:
    there = [one for one in _listed(rollout, known) if isinstance(one, Listed)]
    yield from subsets.mistakes(rollout, there, known)
