"""Kind `helm-release`: a chart at a pinned version with values, installed, upgraded and repaired by Helm."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import yaml
from pydantic import Field

from canarylab.context import api_environment
from canarylab.errors import StageError
from canarylab.kube.apply import compare, subject
from canarylab.kube.workloads import workload_health
from canarylab.kube.yaml_file import read_documents
from canarylab.stages.base import Change, Removal, Stage, StageOptions, Watch
from canarylab.tools.helm import RECORD_LABELS, UNFINISHED, Helm, Release, merge_values, newest_first

if TYPE_CHECKING:
    from canarylab.context import Context
    from canarylab.kube.client import Cluster

_HELM_SECONDS = 180.0
_UNCOMPARED = ("CustomResourceDefinition", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
"""Only looked for: definitions are large, and Istio itself writes its certificate into its webhooks."""


class HelmReleaseOptions(StageOptions):
    chart: str = Field(description="repository and chart, such as istio/base")
    version: str = Field(description="version of the chart, quoted if it looks like a number")
    namespace: str = Field(description="namespace of the release; created where there is none")
    values: str | None = Field(None, description="file of values; FILE.PROVIDER.yaml beside it is laid over it")


@dataclass(frozen=True)
class Drift:
    """An object of the release that isn't as the chart made it."""

    subject: str
    diff: str


@dataclass(frozen=True)
class ReleaseState:
    """The release as recorded, and what is wanted."""

    newest: Release | None
    unfinished: tuple[Release, ...]
    version: str
    values: dict[str, Any]
    drift: tuple[Drift, ...]


class HelmReleaseStage(Stage[HelmReleaseOptions, ReleaseState]):
    """The stage's name is the release's."""

    kind: ClassVar[str] = "helm-release"
    Options: ClassVar[type[StageOptions]] = HelmReleaseOptions

    def check(self, base: Path) -> None:
        for path in self._value_files(base, provider=None):
            _read_values(path, self.name)

    def observe(self, ctx: Context) -> ReleaseState:
        version = _chart_version(self._chart(ctx))  # first: a chart that isn't to be had is told without a cluster, too
        records = self._records(ctx.cluster)
        unfinished = [release for release in records if release.status in UNFINISHED]
        newest = records[0] if records else None
        values = merge_values([_read_values(path, self.name) for path in self._files(ctx)])
        drift = _drift(ctx.cluster, newest) if newest and not unfinished else ()
        return ReleaseState(newest, tuple(unfinished), version, values, drift)

    def changes(self, observed: ReleaseState) -> list[Change]:
        release, name = observed.newest, f"release {self.options.namespace}/{self.name}"
        if release is None:
            return [Change("create", name, f"chart {self.options.chart} {observed.version} isn't installed")]
        if observed.unfinished:
            states = ", ".join(f"revision {found.revision} is {found.status}" for found in observed.unfinished)
            return [Change("repair", name, f"an earlier Helm did not finish: {states}")]
        changes = []
        if release.version != observed.version:
            changes.append(Change("update", name, f"chart version {release.version}, wanted {observed.version}"))
        if release.values != observed.values:
            diff = _diff(release.values, observed.values)
            changes.append(Change("update", name, "values differ", diff))
        changes += [
            Change("repair", found.subject, "it was changed or deleted", found.diff) for found in observed.drift
        ]
        return changes

    def apply(self, ctx: Context, changes: Sequence[Change]) -> None:  # noqa: ARG002 - one upgrade does all of them
        self._drop_unfinished(ctx)
        helm = _helm(ctx)
        argv = helm.upgrade(self.name, self._chart(ctx), self.options.namespace, self._files(ctx))
        ctx.progress(f"helm upgrade --install {self.name}")
        ctx.runner.run(argv, timeout=min(_HELM_SECONDS, ctx.remaining), env=helm_environment(ctx))

    def _drop_unfinished(self, ctx: Context) -> None:
        """Delete the records of revisions that never got deployed.

        Helm then goes on from the last good one, or installs anew over the objects that are there already: they
        carry its marks. Rolling back or uninstalling instead would take down what works.
        """
        for release in self._records(ctx.cluster):
            if release.status in UNFINISHED:
                ctx.progress(f"dropping revision {release.revision}, which is {release.status}")
                ctx.cluster.delete("v1", "Secret", release.record, self.options.namespace)

    def health(self, ctx: Context) -> str | None:
        records = self._records(ctx.cluster)
        if not records:
            return f"release {self.name} isn't installed"
        if records[0].status != "deployed":
            return f"release {self.name} is {records[0].status}"
        for obj in records[0].objects:
            if reason := workload_health(ctx.cluster, obj):
                return reason
        return None

    def watches(self) -> Sequence[Watch]:
        return (Watch("apps/v1", "Deployment", self.options.namespace), Watch("v1", "Pod", self.options.namespace))

    def remove(self, ctx: Context) -> list[Removal]:
        records = self._records(ctx.cluster)
        if not records:
            return []
        objects = len(records[0].objects)
        argv = _helm(ctx).uninstall(self.name, self.options.namespace)
        ctx.runner.run(argv, timeout=_HELM_SECONDS, env=helm_environment(ctx))
        return [Removal(f"release {self.options.namespace}/{self.name} with {objects} objects", "removed")]

    def facts(self, ctx: Context) -> dict[str, Any]:
        records = self._records(ctx.cluster)
        return {"chart": f"{records[0].chart} {records[0].version}", "revision": records[0].revision} if records else {}

    def _records(self, cluster: Cluster) -> list[Release]:
        """All recorded revisions, the newest first."""
        labels = {**RECORD_LABELS, "name": self.name}
        return newest_first(cluster.list("v1", "Secret", self.options.namespace, labels))

    def _chart(self, ctx: Context) -> Path:
        return ctx.provider.chart(ctx, self.options.chart, self.options.version)

    def _files(self, ctx: Context) -> list[Path]:
        return self._value_files(ctx.playbook.base, ctx.provider.name)

    def _value_files(self, base: Path, provider: str | None) -> list[Path]:
        """The file of values, and the provider's overlay where there is one."""
        if self.options.values is None:
            return []
        path = base / self.options.values
        if not path.exists():
            raise StageError(
                f"there is no {path}", where=f"stage {self.name}, values", remedy="mend the playbook's path"
            )
        overlay = path.with_name(f"{path.stem}.{provider}{path.suffix}")
        return [path, overlay] if provider and overlay.exists() else [path]


def _helm(ctx: Context) -> Helm:
    folder = ctx.provider.programs(ctx)
    return Helm(folder / "helm" if folder else Path("helm"), ctx.cluster.kubeconfig, ctx.cluster.context)


def helm_environment(ctx: Context) -> dict[str, str]:
    """Helm's own caches and settings go to the profile's folder, away from the user's; no proxy is asked."""
    home = ctx.paths.root / "helm"
    return {
        **api_environment(ctx),
        **{f"HELM_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")},
    }


def _read_values(path: Path, stage: str) -> dict[str, Any]:
    documents = read_documents(path) or [{}]
    if len(documents) > 1 or not isinstance(documents[0], dict):
        raise StageError("values must be one mapping", where=f"{path} of stage {stage}", remedy="mend the file")
    return dict(documents[0])


def _chart_version(chart: Path) -> str:
    """The version in a packaged chart's name: Helm names the file NAME-VERSION.tgz, and no name here has a digit."""
    _, _, version = chart.name.removesuffix(".tgz").partition("-")
    return version


def _drift(cluster: Cluster, release: Release) -> tuple[Drift, ...]:
    """What differs from the chart's objects, asked by a dry run in Helm's own name."""
    found = []
    for obj in release.objects:
        if obj["kind"] in _UNCOMPARED:
            if cluster.get(obj["apiVersion"], obj["kind"], obj["metadata"]["name"]) is None:
                found.append(Drift(subject(obj), ""))
            continue
        comparison = compare(cluster, obj, (), "helm")
        if comparison.diff:
            found.append(Drift(comparison.subject, comparison.diff))
    return tuple(found)


def _diff(before: dict[str, Any], after: dict[str, Any]) -> str:
    lines = [yaml.safe_dump(values, sort_keys=True).splitlines(keepends=True) for values in (before, after)]
    return "".join(difflib.unified_diff(lines[0], lines[1], "installed", "wanted", n=2))
