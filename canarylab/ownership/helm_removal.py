"""What Helm leaves behind when it uninstalls one of our releases from a cluster that others use, and we don't.

Definitions that the chart tells Helm to keep, what Istio's control plane wrote by itself, and the namespace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from canarylab.contract.context import Context
from canarylab.contract.ownership import Render
from canarylab.errors import StageError
from canarylab.kube.apply import live_object, subject
from canarylab.kube.objects import identity, managers_of, owner_of
from canarylab.kube.watch import Watch
from canarylab.ownership import crds, foreign, namespaces
from canarylab.removal import Removal
from canarylab.tools.helm import RECORD_LABELS, Release

_FOUND = "found.canarylab.dev/"
_LABEL_LENGTH = 63

_DEFINITION = "CustomResourceDefinition"
_ISTIOD = "pilot-discovery"
"""The field manager of Istio's control plane."""
_CONFIG = {"istio.io/config": "true"}
"""The label of what it writes into every namespace: the certificates that proxies check it by."""


def planned(ctx: Context, release: Release) -> list[Removal]:
    """What `sweep` and `remove_namespace` would do now. Reads only."""
    found = [removal for _, removal in _left_by_helm(ctx, release)]
    secrets = ctx.cluster.list("v1", "Secret", release.namespace, RECORD_LABELS)
    is_ours = all(owner_of(secret) == ctx.profile for secret in secrets)
    namespace = namespaces.removal(ctx, release.namespace) if is_ours else None
    return [*found, namespace] if namespace else found


def sweep(ctx: Context, release: Release) -> list[Removal]:
    """Remove what Helm would leave, before it uninstalls the release.

    Killed in the middle, the next teardown still finds the release, and so what belongs to it.
    """
    found = _left_by_helm(ctx, release)
    if any(obj["kind"] != _DEFINITION for obj, _ in found):
        _end_workloads(ctx, release)  # a control plane that still runs would write it again
    for obj, removal in found:
        if removal.outcome == "removed":
            ctx.cluster.delete(*identity(obj), obj["metadata"].get("namespace"))
    return [removal for _, removal in found]


def remove_namespace(ctx: Context, name: str) -> list[Removal]:
    """The namespace goes with the last release in it, if it is ours and nothing else is in it."""
    return [] if ctx.cluster.list("v1", "Secret", name, RECORD_LABELS) else namespaces.remove(ctx, name)


def _left_by_helm(ctx: Context, release: Release) -> list[tuple[dict[str, Any], Removal]]:
    """Each object that Helm would leave, and what is done with it: the definitions, then what istiod wrote."""
    kept = [(live, _definition(ctx, live, release)) for live in _kept_definitions(ctx, release)]
    return kept + [(obj, Removal(subject(obj), "removed")) for obj in _of_control_plane(ctx, release)]


def _kept_definitions(ctx: Context, release: Release) -> list[dict[str, Any]]:
    """The release's definitions as they are there; Istio's charts tell Helm to keep them."""
    live = [live_object(ctx.cluster, obj) for obj in release.objects if obj["kind"] == _DEFINITION]
    return [obj for obj in live if obj is not None and foreign.belongs_to(obj, release.name, release.namespace)]


def found_label(name: str) -> str:
    """The label of a release of ours for a definition that was there before it: an earlier release had left it."""
    return _FOUND + name[:_LABEL_LENGTH].rstrip(".-_")


def labels_of_found(ctx: Context, records: Sequence[Release], render: Render) -> dict[str, str]:
    """Marks for the definitions that an uninstalled release had left: ours uses them, and leaves them again."""
    if records:  # what an earlier revision of ours says holds; it may be about to be dropped
        labels = (label for record in records for label in record.labels.items())
        return {key: value for key, value in labels if key.startswith(_FOUND)}
    wanted = [obj for obj in render() if obj["kind"] == _DEFINITION]
    return {found_label(obj["metadata"]["name"]): "true" for obj in wanted if live_object(ctx.cluster, obj)}


def _definition(ctx: Context, live: dict[str, Any], release: Release) -> Removal:
    if found_label(live["metadata"]["name"]) in release.labels:
        return Removal(subject(live), "left", "it was there before: an earlier release had left it")
    return crds.removal(ctx, live)


def _of_control_plane(ctx: Context, release: Release) -> list[dict[str, Any]]:
    """What our istiod wrote, and nobody else, where there is no other istiod that would need it."""
    if release.chart != "istiod" or _other_istiods(ctx, release):
        return []
    cluster, own = ctx.cluster, release.namespace
    found = cluster.list("v1", "ConfigMap", labels=_CONFIG)
    for api_version, kind in (("v1", "ConfigMap"), ("v1", "Secret"), ("coordination.k8s.io/v1", "Lease")):
        found += cluster.list(api_version, kind, own)
    unique = {(obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"]): obj for obj in found}
    return [obj for obj in unique.values() if managers_of(obj) == {_ISTIOD}]


def _other_istiods(ctx: Context, release: Release) -> list[dict[str, Any]]:
    found = ctx.cluster.list("apps/v1", "Deployment", labels=foreign.ISTIOD)
    return [obj for obj in found if not foreign.belongs_to(obj, release.name, release.namespace)]


def _end_workloads(ctx: Context, release: Release) -> None:
    """Delete the release's Deployments and wait until their pods are gone."""
    deployments = [obj for obj in release.objects if obj["kind"] == "Deployment"]
    for obj in deployments:
        ctx.cluster.delete(*identity(obj), obj["metadata"]["namespace"])
    selectors = [obj["spec"]["selector"]["matchLabels"] for obj in deployments]

    def look() -> str | None:
        pods = [pod for labels in selectors for pod in ctx.cluster.list("v1", "Pod", release.namespace, labels)]
        return f"Pod {pods[0]['metadata']['name']} is still there" if pods else None

    watches = [Watch("v1", "Pod", release.namespace)]
    if reason := ctx.cluster.wait(watches, look, deadline=ctx.deadline, cancel=ctx.cancel):
        raise StageError(
            f"the pods of release {release.namespace}/{release.name} don't end: {reason}",
            where=f"stage {ctx.stage}",
            remedy=f"`{ctx.command('teardown')}` again goes on from here",
        )
