"""What somebody else installed on a cluster that isn't ours: whether a playbook's stage can work with it as it is.

It fits where it is the same chart, or the same programs, at the playbook's minor version or a later one of the same
major, with its Deployments in health and its Services on the ports that the playbook asks for. What fits is used, and
never upgraded or removed; what doesn't is a conflict, reported before anything is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from canarylab.contract.context import Context
from canarylab.contract.ownership import WantedRelease
from canarylab.errors import StageError
from canarylab.kube.apply import live_object, subject
from canarylab.kube.client import Cluster
from canarylab.kube.objects import Object, annotations_of, labels_of, listed, owner_of
from canarylab.kube.workloads import first_unhealthy, workload_health
from canarylab.tools.helm import Release

_RELEASE = "meta.helm.sh/release-name"
_NAMESPACE = "meta.helm.sh/release-namespace"
_SHOWN = 3
ISTIOD = {"app": "istiod"}
"""The label of Istio's control plane, of whichever revision and however installed."""


class ConflictError(StageError):
    """What is there already and what the playbook wants can't both be."""


def conflict(stage: str, what: str, why: str) -> ConflictError:
    """The error for what is in a stage's place and doesn't fit, `why` in words."""
    return ConflictError(
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


def version_mismatch(what: str, found: str, wanted: str) -> str | None:
    """Why a version that was found can't be used, `what` being of it; None where it can."""
    if is_at_least(found, wanted):
        return None
    return f"{what} is version {found}; the playbook wants {wanted} or a later one of the same major version"


def belongs_to(obj: Object, release: str, namespace: str) -> bool:
    """Whether Helm made it for that release."""
    annotations = annotations_of(obj)
    return annotations.get(_RELEASE) == release and annotations.get(_NAMESPACE) == namespace


def is_of_playbook(ctx: Context, obj: Object) -> bool:
    """Whether we made it, or it is of one of the playbook's releases, be it ours or one that is used as it is."""
    return owner_of(obj) == ctx.profile or is_of_release(ctx, obj)


def is_of_release(ctx: Context, obj: Object) -> bool:
    """Whether Helm made it for one of the playbook's releases."""
    releases = (stage for stage in ctx.playbook.stages if stage.kind == "helm-release")
    return any(belongs_to(obj, release.name, release.options.namespace) for release in releases)


def found_release(
    ctx: Context, wanted: WantedRelease, records: Sequence[Release], rendered: Sequence[Object]
) -> str | None:
    """In words, what stands in the place of a release that isn't ours, and fits; None where nothing does.

    Raises ConflictError for what doesn't fit.
    """
    cluster, name, namespace = ctx.cluster, wanted.name, wanted.namespace
    if records:
        found, version = f"release {namespace}/{name}", f"{records[0].chart} {records[0].version}"
        mismatch = release_mismatch(cluster, records[0], wanted, rendered)
    elif there := taken(cluster, rendered, name, namespace):
        found, version = _some(there), "installed without Helm, or by another release"
        mismatch = objects_mismatch(cluster, rendered, wanted.version)
    else:
        refuse_second_istiod(cluster, rendered, name)
        return None
    if mismatch:
        raise conflict(name, f"{found} is there already, and doesn't fit", mismatch)
    return f"{found} ({version}) is somebody else's, and fits"


def release_mismatch(cluster: Cluster, found: Release, wanted: WantedRelease, rendered: Iterable[Object]) -> str | None:
    """Why a release that somebody else installed under our name can't be used; None where it can."""
    if found.chart != wanted.chart:
        return f"its chart is {found.chart}, the playbook's is {wanted.chart}"
    if found.status != "deployed":
        return f"it is {found.status}"
    return (
        version_mismatch("it", found.version, wanted.version)
        or first_unhealthy(cluster, found.objects)
        or _lacking_ports(cluster, rendered)
    )


def objects_mismatch(cluster: Cluster, rendered: Sequence[Object], version: str) -> str | None:
    """Why what was installed without Helm, or under another release, can't stand for the chart; None where it can."""
    main = [obj for obj in rendered if obj["kind"] in ("Deployment", "CustomResourceDefinition")]
    if not main:
        return "none of its objects says which version it is"
    if missing := [obj for obj in main if live_object(cluster, obj) is None]:
        return f"it lacks {_some(missing)}"
    mismatches = (_deployment_mismatch(cluster, obj, version) for obj in main if obj["kind"] == "Deployment")
    return next(filter(None, mismatches), None) or _lacking_ports(cluster, rendered)


def _deployment_mismatch(cluster: Cluster, wanted: Object, version: str) -> str | None:
    found = version_of(live_object(cluster, wanted) or {})
    if found is None and version_of(wanted) is not None:
        return f"{subject(wanted)} doesn't say which version it is"
    mismatch = version_mismatch(subject(wanted), found, version) if found else None
    return mismatch or workload_health(cluster, wanted)


def version_of(deployment: Object) -> str | None:
    """The version that its first container's tag says; None where it says none, as `auto` and `latest`."""
    containers = listed(deployment, "spec", "template", "spec", "containers") or [{}]
    image = str(containers[0].get("image", "")).partition("@")[0].rpartition("/")[2]
    found = re.match(r"v?(\d+\.\d+.*)", image.partition(":")[2])
    return found[1] if found else None


def taken(cluster: Cluster, rendered: Iterable[Object], release: str, namespace: str) -> list[Object]:
    """Those of a chart's objects that are there already and not Helm's own remains of this release."""
    live = ((obj, live_object(cluster, obj)) for obj in rendered)
    return [obj for obj, found in live if found is not None and not belongs_to(found, release, namespace)]


def refuse_second_istiod(cluster: Cluster, rendered: Iterable[Object], stage: str) -> None:
    """Raise ConflictError for an Istio that runs under another name or in another namespace.

    Two of them inject, validate and write certificates into the same namespaces, unless they were set up for that.
    """
    is_istiod = any(labels_of(obj).items() >= ISTIOD.items() for obj in rendered if obj["kind"] == "Deployment")
    if is_istiod and (others := cluster.list("apps/v1", "Deployment", labels=ISTIOD)):
        raise conflict(stage, f"{subject(others[0])} is another Istio", "two control planes would act on the same pods")


def _lacking_ports(cluster: Cluster, rendered: Iterable[Object]) -> str | None:
    for wanted in rendered:
        if wanted["kind"] == "Service":
            ports = {port["port"] for port in listed(live_object(cluster, wanted), "spec", "ports")}
            lacking = [str(port["port"]) for port in listed(wanted, "spec", "ports") if port["port"] not in ports]
            if lacking:
                return f"{subject(wanted)} has no port {', '.join(lacking)}, which the playbook's values ask for"
    return None


def _some(objects: Sequence[Object]) -> str:
    """The objects in words, the first three by name."""
    more = f" and {len(objects) - _SHOWN} more" if len(objects) > _SHOWN else ""
    return ", ".join(map(subject, objects[:_SHOWN])) + more
