"""What somebody else installed on a cluster that isn't ours: whether a playbook's stage can work with it as it is.

It fits where it is the same chart, or the same programs, at the playbook's minor version or a later one of the same
major, with its Deployments in health and its Services on the ports that the playbook asks for. What fits is used, and
never upgraded or removed; what doesn't is a clash, reported before anything is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from canarylab.contract.ownership import Foreign, WantedRelease
from canarylab.errors import StageError
from canarylab.kube.apply import subject
from canarylab.kube.objects import Object
from canarylab.kube.workloads import workload_health

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster
    from canarylab.tools.helm import Release

_RELEASE = "meta.helm.sh/release-name"
_NAMESPACE = "meta.helm.sh/release-namespace"
_SHOWN = 3
ISTIOD = {"app": "istiod"}
"""The label of Istio's control plane, of whichever revision and however installed."""


class ClashError(StageError):
    """What is there already and what the playbook wants can't both be."""


def clash(stage: str, what: str, why: str) -> ClashError:
    """The error for what is in a stage's place and doesn't fit, `why` in words."""
    return ClashError(
        what,
        where=f"stage {stage}",
        why=why,
        remedy="nothing was changed; use another cluster or namespace, take this stage out of the playbook, or let its "
        "owner bring it to what the playbook wants",
    )


def is_at_least(found: str, wanted: str) -> bool:
    """Whether a version is of the same major as `wanted`, and of its minor or a later one; False for what is none."""
    numbers = [re.match(r"v?(\d+)\.(\d+)", version) for version in (found, wanted)]
    (major, minor), (wanted_major, wanted_minor) = ((int(n[1]), int(n[2])) if n else (-1, -1) for n in numbers)
    return major == wanted_major and minor >= wanted_minor


def belongs_to(obj: Object, release: str, namespace: str) -> bool:
    """Whether Helm made it for that release."""
    annotations = obj["metadata"].get("annotations") or {}
    return annotations.get(_RELEASE) == release and annotations.get(_NAMESPACE) == namespace


def is_of_playbook(ctx: Context, obj: Object) -> bool:
    """Whether we made it, or it is of one of the playbook's releases, be it ours or one that is used as it is."""
    from canarylab.kube.client import OWNER_LABEL

    releases = ((stage.name, stage.options.namespace) for stage in ctx.playbook.stages if stage.kind == "helm-release")
    is_labelled = (obj["metadata"].get("labels") or {}).get(OWNER_LABEL) == ctx.profile
    return is_labelled or any(belongs_to(obj, name, namespace) for name, namespace in releases)


def found_release(
    ctx: Context, wanted: WantedRelease, records: Sequence[Release], rendered: Sequence[Object]
) -> Foreign | None:
    """What stands in the place of a release that isn't ours; None where nothing does.

    Raises ClashError for what doesn't fit.
    """
    cluster, name, namespace = ctx.cluster, wanted.name, wanted.namespace
    if records:
        found = Foreign(f"release {namespace}/{name}", f"{records[0].chart} {records[0].version}")
        misfit = misfit_of_release(cluster, records[0], wanted.chart, wanted.version, rendered)
    elif there := taken(cluster, rendered, name, namespace):
        found = Foreign(listed_subjects(there), "installed without Helm, or by another release")
        misfit = misfit_of_objects(cluster, rendered, wanted.version)
    else:
        refuse_second_istiod(cluster, rendered, name)
        return None
    if misfit:
        raise clash(name, f"{found.subject} is there already, and doesn't fit", misfit)
    return found


def misfit_of_release(
    cluster: Cluster, found: Release, chart: str, version: str, rendered: Iterable[Object]
) -> str | None:
    """Why a release that somebody else installed under our name can't be used; None where it can."""
    if found.chart != chart:
        return f"it is of chart {found.chart}, the playbook's is {chart}"
    if found.status != "deployed":
        return f"it is {found.status}"
    if not is_at_least(found.version, version):
        return f"it is of version {found.version}, the playbook wants {version} or a later one of the same major"
    unhealthy = (workload_health(cluster, obj) for obj in found.objects)
    return next((reason for reason in unhealthy if reason), None) or _lacking_ports(cluster, rendered)


def misfit_of_objects(cluster: Cluster, rendered: Sequence[Object], version: str) -> str | None:
    """Why what was installed without Helm, or under another release, can't stand for the chart; None where it can."""
    main = [obj for obj in rendered if obj["kind"] in ("Deployment", "CustomResourceDefinition")]
    missing = [subject(obj) for obj in main if live_object(cluster, obj) is None]
    if missing or not main:
        return f"it lacks {_some(missing)}" if missing else "nothing of it says which version it is"
    for obj in main:
        if obj["kind"] == "Deployment" and (reason := _misfit_of_deployment(cluster, obj, version)):
            return reason
    return _lacking_ports(cluster, rendered)


def _misfit_of_deployment(cluster: Cluster, wanted: Object, version: str) -> str | None:
    live = live_object(cluster, wanted) or {}
    found = version_of(live)
    if found is not None and not is_at_least(found, version):
        return f"{subject(wanted)} is of version {found}, the playbook wants {version} or a later one of the same major"
    if found is None and version_of(wanted) is not None:
        return f"{subject(wanted)} doesn't say which version it is"
    return workload_health(cluster, wanted)


def version_of(deployment: Object) -> str | None:
    """The version that its first container's tag says; None where it says none, as `auto` and `latest`."""
    containers = deployment.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    image = str(containers[0].get("image", "")).partition("@")[0].rpartition("/")[2]
    found = re.match(r"v?(\d+\.\d+.*)", image.partition(":")[2])
    return found[1] if found else None


def taken(cluster: Cluster, rendered: Iterable[Object], release: str, namespace: str) -> list[Object]:
    """Those of a chart's objects that are there already and not Helm's own remains of this release."""
    live = ((obj, live_object(cluster, obj)) for obj in rendered)
    return [obj for obj, found in live if found is not None and not belongs_to(found, release, namespace)]


def refuse_second_istiod(cluster: Cluster, rendered: Iterable[Object], stage: str) -> None:
    """Raise ClashError for an Istio that runs under another name or in another namespace.

    Two of them inject, validate and write certificates into the same namespaces, unless they were set up for that.
    """
    labels = [obj["metadata"].get("labels") or {} for obj in rendered if obj["kind"] == "Deployment"]
    if not any(label.items() >= ISTIOD.items() for label in labels):
        return
    if others := cluster.list("apps/v1", "Deployment", labels=ISTIOD):
        raise clash(stage, f"{subject(others[0])} is another Istio", "two control planes would act on the same pods")


def listed_subjects(objects: Sequence[Object]) -> str:
    """The objects in words, the first three by name."""
    return _some([subject(obj) for obj in objects])


def live_object(cluster: Cluster, obj: Object) -> Object | None:
    """The object as it is there; None where it isn't."""
    from canarylab.kube.client import UnknownKindError

    meta = obj["metadata"]
    try:
        return cluster.get(obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace"))
    except UnknownKindError:
        return None


def _lacking_ports(cluster: Cluster, rendered: Iterable[Object]) -> str | None:
    for wanted in rendered:
        if wanted["kind"] == "Service":
            live = live_object(cluster, wanted) or {}
            ports = {port["port"] for port in live.get("spec", {}).get("ports", [])}
            lacking = [port["port"] for port in wanted["spec"].get("ports", []) if port["port"] not in ports]
            if lacking:
                return (
                    f"{subject(wanted)} has no port {', '.join(map(str, lacking))}, which the playbook's values ask for"
                )
    return None


def _some(subjects: Sequence[str]) -> str:
    more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
    return ", ".join(subjects[:_SHOWN]) + more
