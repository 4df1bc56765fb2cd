"""Kind `helm-release`: a chart at a pinned version with values, installed, upgraded and repaired by Helm."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import Field

from canarylab.contract.cause import Cause
from canarylab.contract.context import Context, api_environment
from canarylab.contract.ownership import WantedRelease
from canarylab.contract.stage import Change, Stage, StageOptions
from canarylab.errors import StageError
from canarylab.kube import workloads
from canarylab.kube.apply import Comparison, compare, live_object, placed
from canarylab.kube.client import Cluster
from canarylab.kube.objects import OWNER_LABEL, owned
from canarylab.kube.watch import Watch
from canarylab.ownership import namespaces
from canarylab.paths import normal
from canarylab.removal import Removal
from canarylab.rollouts.causes import degraded
from canarylab.rollouts.managed import Managed
from canarylab.stages import addresses, certificates
from canarylab.stages.objects import unapplied
from canarylab.tools import helm
from canarylab.tools.helm import Helm, Release
from canarylab.tools.runner import run_once
from canarylab.yamlfile.kubernetes_yaml import read_documents

_HELM_SECONDS = 180.0
_UNCOMPARED = ("CustomResourceDefinition", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
"""Only looked for: definitions are large, and Istio itself writes its certificate into its webhooks."""


class HelmReleaseOptions(StageOptions):
    """Which chart, where, and with which values."""

    chart: str = Field(description="repository and chart, such as istio/base")
    version: str = Field(description="version of the chart, quoted if it looks like a number")
    namespace: str = Field(description="namespace of the release; created where there is none")
    values: str | None = Field(None, description="file of values; FILE.PROVIDER.yaml beside it is laid over it")


@dataclass(frozen=True)
class ReleaseState:
    """The release as recorded, and what is wanted."""

    newest: Release | None
    unfinished: tuple[Release, ...]
    version: str
    values: dict[str, Any]
    drift: tuple[Comparison, ...]
    """The objects that aren't as the chart made them."""
    foreign: str | None = None
    """What somebody else installed, and is used as it is."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Labels for the definitions that were there before the release."""
    outdated: tuple[dict[str, Any], ...] = ()
    """The workloads whose sidecars have certificates of an earlier authority."""


class HelmReleaseStage(Stage[HelmReleaseOptions, ReleaseState]):
    """The stage's name is the release's.

    On a cluster that isn't this tool's own, a release is ours only if its records carry our label.
    """

    kind: ClassVar[str] = "helm-release"
    Options: ClassVar[type[StageOptions]] = HelmReleaseOptions

    def check(self) -> None:
        for path in self._value_files(provider=None):
            _read_values(path, self.name)

    def observe(self, ctx: Context) -> ReleaseState:
        chart = self._chart(ctx)  # first: a chart that isn't available is reported without a cluster, too
        version = _chart_version(chart)
        values = helm.merge_values([_read_values(path, self.name) for path in self._files(ctx)])
        records = self._records(ctx.cluster)
        if foreign := self._foreign(ctx, records):
            ctx.progress(f"{foreign}: it is used as it is")
            return ReleaseState(None, (), version, values, (), foreign)
        unfinished = tuple(release for release in records if release.status in helm.UNFINISHED)
        newest = records[0] if records else None
        drift = _drift(ctx.cluster, newest) if newest and not unfinished else ()
        marks = ctx.ownership.release_labels(ctx, records, lambda: self._rendered(ctx))
        there = newest.objects if newest and not unfinished else ()
        outdated = tuple(obj for obj in there if certificates.is_outdated(ctx, obj))
        return ReleaseState(newest, unfinished, version, values, drift, marks=marks, outdated=outdated)

    def _is_ours(self, ctx: Context, records: Sequence[Release]) -> bool:
        """Whether there is a release, and it is this profile's."""
        return any(ctx.ownership.is_ours(ctx, release.labels) for release in records)

    def _foreign(self, ctx: Context, records: Sequence[Release]) -> str | None:
        """What stands in this release's place already; None where there is nothing, or it is ours.

        Raises ConflictError for what doesn't fit.
        """
        chart = self.options.chart.rpartition("/")[2]
        wanted = WantedRelease(self.name, self.options.namespace, chart, self.options.version)
        return ctx.ownership.found_release(ctx, wanted, records, lambda: self._rendered(ctx))

    def _rendered(self, ctx: Context) -> list[dict[str, Any]]:
        """The objects that the chart would make."""
        argv = _helm(ctx).template(self.name, self._chart(ctx), self.options.namespace, self._files(ctx))
        printed = run_once(ctx.runner, argv, timeout=min(_HELM_SECONDS, ctx.remaining), env=helm_environment(ctx))
        return [placed(ctx.cluster, obj, self.options.namespace) for obj in helm.parse_objects(printed)]

    def changes(self, observed: ReleaseState) -> list[Change]:
        release, name = observed.newest, self._subject
        if observed.foreign:
            return []
        if release is None:
            return [Change("create", name, f"chart {self.options.chart} {observed.version} isn't installed")]
        if observed.unfinished:
            states = ", ".join(f"revision {found.revision} is {found.status}" for found in observed.unfinished)
            return [Change("repair", name, f"an earlier Helm did not finish: {states}")]
        changes = []
        if release.version != observed.version:
            changes.append(Change("update", name, f"chart version {release.version}, wanted {observed.version}"))
        if release.values != observed.values:
            changes.append(Change("update", name, "values differ", _diff(release.values, observed.values)))
        drift = (Change("repair", found.subject, "it was changed or deleted", found.diff) for found in observed.drift)
        return [*changes, *drift, *map(certificates.change, observed.outdated)]

    def apply(self, ctx: Context, observed: ReleaseState) -> None:
        """One upgrade makes all the changes; what is only to be restarted needs none."""
        if len(self.changes(observed)) > len(observed.outdated):
            self._upgrade(ctx, observed)
        certificates.restart(ctx, observed.outdated)

    def _upgrade(self, ctx: Context, observed: ReleaseState) -> None:
        namespaces.await_gone(ctx, self.options.namespace)
        ctx.ownership.prepare_release(ctx, self.options.namespace)
        self._drop(ctx, observed.unfinished)
        labels = owned({"labels": observed.marks}, ctx.profile)["labels"]
        argv = _helm(ctx).upgrade(self.name, self._chart(ctx), self.options.namespace, self._files(ctx), labels)
        ctx.progress(f"helm upgrade --install {self.name}")
        ctx.runner.run(argv, timeout=min(_HELM_SECONDS, ctx.remaining), env=helm_environment(ctx))

    def _drop(self, ctx: Context, unfinished: Sequence[Release]) -> None:
        """Delete the records of revisions that never got deployed.

        Helm then goes on from the last good one, or installs anew over the objects that are there already: they
        carry its marks. Rolling back or uninstalling instead would take down what works.
        """
        for release in unfinished:
            ctx.progress(f"dropping revision {release.revision}, which is {release.status}")
            ctx.cluster.delete("v1", "Secret", release.record, self.options.namespace)

    def health(self, ctx: Context) -> str | None:
        records = self._records(ctx.cluster)
        if self._foreign(ctx, records):
            return None  # it fits, and health is part of that
        if not records:
            return f"release {self.name} isn't installed"
        if records[0].status != "deployed":
            return f"release {self.name} is {records[0].status}"
        objects = records[0].objects
        reason = workloads.first_unhealthy(ctx.cluster, objects)
        if reason:
            degraded.raise_if_permanent(ctx, objects)
        return reason or addresses.why_no_address(ctx, objects)

    def cause(self, ctx: Context) -> Cause | None:
        records = self._records(ctx.cluster)
        return degraded.cause(ctx, records[0].objects, lambda: unapplied(ctx)) if records else None

    def watches(self) -> Sequence[Watch]:
        return (*workloads.watches(self.options.namespace), Watch("v1", "Service", self.options.namespace))

    def remove(self, ctx: Context) -> list[Removal]:
        records = self._records(ctx.cluster)
        if not self._is_ours(ctx, records):
            # A teardown that was killed may have left the namespace behind the last of its releases.
            return self._left(records) or ctx.ownership.drop_release_namespace(ctx, self.options.namespace)
        swept = ctx.ownership.sweep(ctx, records[0])
        argv = _helm(ctx).uninstall(self.name, self.options.namespace)
        ctx.runner.run(argv, timeout=_HELM_SECONDS, env=helm_environment(ctx))
        removed = [*swept, self._removal(records[0])]
        return removed + ctx.ownership.drop_release_namespace(ctx, self.options.namespace)

    def removals(self, ctx: Context) -> list[Removal]:
        records = self._records(ctx.cluster)
        if not self._is_ours(ctx, records):
            return self._left(records)
        return [*ctx.ownership.left_by_helm(ctx, records[0]), self._removal(records[0])]

    @property
    def _subject(self) -> str:
        return f"release {self.options.namespace}/{self.name}"

    def _removal(self, release: Release) -> Removal:
        return Removal(f"{self._subject} with {len(release.objects)} objects", "removed")

    def _left(self, records: Sequence[Release]) -> list[Removal]:
        """What a release of ours is not: somebody else's, or none."""
        if not records:
            return []
        owner = records[0].labels.get(OWNER_LABEL)
        reason = f"it is profile {owner}'s" if owner else f"somebody else installed it: no label {OWNER_LABEL}"
        return [Removal(self._subject, "left", reason)]

    def facts(self, ctx: Context) -> dict[str, Any]:
        records = self._records(ctx.cluster)
        if not records:
            return {}
        ours = {} if self._is_ours(ctx, records) else {"installed by": "somebody else"}
        return {"chart": f"{records[0].chart} {records[0].version}", "revision": records[0].revision, **ours}

    def _records(self, cluster: Cluster) -> list[Release]:
        """All recorded revisions, the newest first."""
        labels = {**helm.RECORD_LABELS, "name": self.name}
        if namespaces.is_namespace_terminating(cluster, self.options.namespace):
            return []  # they are going
        return helm.newest_first(cluster.list("v1", "Secret", self.options.namespace, labels))

    def _chart(self, ctx: Context) -> Path:
        return ctx.provider.sources.chart(ctx, self.options.chart, self.options.version)

    def _files(self, ctx: Context) -> list[Path]:
        return self._value_files(ctx.provider.name)

    def _value_files(self, provider: str | None) -> list[Path]:
        """The file of values, and the provider's overlay where there is one."""
        if self.options.values is None:
            return []
        path = normal(self.base / self.options.values)
        if not path.exists():
            raise self.problem("values", f"there is no {path}", "fix the playbook's path")
        overlay = path.with_name(f"{path.stem}.{provider}{path.suffix}")
        return [path, overlay] if provider and overlay.exists() else [path]


def _helm(ctx: Context) -> Helm:
    folder, cluster = ctx.provider.sources.programs(ctx), ctx.cluster
    if folder:  # of the version that node/ pins
        return Helm(folder / "helm", cluster.kubeconfig, cluster.context)
    program = Path("helm")
    version = helm.parse_version(run_once(ctx.runner, helm.version_argv(program), timeout=_HELM_SECONDS))
    return Helm(program, cluster.kubeconfig, cluster.context, version)


def helm_environment(ctx: Context) -> dict[str, str]:
    """Helm's own caches and settings go to the profile's folder, away from the user's; no proxy is asked."""
    home = ctx.paths.root / "helm"
    folders = {f"HELM_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    return {**api_environment(ctx), **folders}


def _read_values(path: Path, stage: str) -> dict[str, Any]:
    documents = read_documents(path) or [{}]
    if len(documents) > 1 or not isinstance(documents[0], dict):
        raise StageError("values must be one mapping", where=f"{path} of stage {stage}", remedy="fix the file")
    return dict(documents[0])


def _chart_version(chart: Path) -> str:
    """The version in a packaged chart's name: Helm names the file NAME-VERSION.tgz, and no name here has a digit."""
    return chart.name.removesuffix(".tgz").partition("-")[2]


def _drift(cluster: Cluster, release: Release) -> tuple[Comparison, ...]:
    """What differs from the chart's objects, asked by a dry run in Helm's own name."""
    managed = Managed.read(cluster, release.objects)
    found = (
        Comparison(obj, live_object(cluster, obj), "")
        if obj["kind"] in _UNCOMPARED
        else compare(cluster, obj, (), "helm", managed.left)
        for obj in release.objects
    )
    return tuple(comparison for comparison in found if comparison.diff or comparison.live is None)


def _diff(before: dict[str, Any], after: dict[str, Any]) -> str:
    lines = [yaml.safe_dump(values, sort_keys=True).splitlines(keepends=True) for values in (before, after)]
    return "".join(difflib.unified_diff(lines[0], lines[1], "installed", "wanted", n=2))
