"""What kinds of stages that apply Kubernetes objects have in common: compare, apply, watch, remove."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from canarylab.errors import StageError
from canarylab.kube.apply import Comparison, Kept, compare, stamped, subject
from canarylab.kube.client import FIELD_MANAGER, OWNER_LABEL, ApiError, UnknownKindError
from canarylab.kube.workloads import workload_health
from canarylab.stages.base import Change, OptionsT, Removal, Stage, Watch

if TYPE_CHECKING:
    from canarylab.context import Context
    from canarylab.kube.client import Cluster

_FIRST = ("CustomResourceDefinition", "Namespace", "ServiceAccount", "ClusterRole", "Role")


class ObjectsStage(Stage[OptionsT, list[Comparison]]):
    """Applies a list of objects server-side under a field manager of its own, and puts drifted fields back."""

    @abstractmethod
    def objects(self, ctx: Context) -> list[dict[str, Any]]:
        """The objects as they are wanted."""

    def kept(self) -> Sequence[Kept]:
        """Fields that are left alone once the object is there."""
        return ()

    @property
    def manager(self) -> str:
        """One per stage: applying takes back what the same manager applied before and no longer names."""
        return f"{FIELD_MANAGER}/{self.name}"

    def _wanted(self, ctx: Context) -> list[dict[str, Any]]:
        labelled = [stamped(_labelled(obj, ctx.profile)) for obj in self.objects(ctx)]
        return sorted(labelled, key=lambda obj: _FIRST.index(obj["kind"]) if obj["kind"] in _FIRST else len(_FIRST))

    def observe(self, ctx: Context) -> list[Comparison]:
        cluster = ctx.cluster
        found = [compare(cluster, wanted, self.kept(), self.manager) for wanted in self._wanted(ctx)]
        for comparison in found:
            self._refuse_foreign(comparison, ctx.profile)
        return found

    def _refuse_foreign(self, found: Comparison, profile: str) -> None:
        """What was there before belongs to somebody else: it is neither changed nor, later, deleted."""
        if found.live is None:
            return
        meta = found.live["metadata"]
        managers = {entry.get("manager") for entry in meta.get("managedFields") or []}
        if (meta.get("labels") or {}).get(OWNER_LABEL) != profile and self.manager not in managers:
            raise StageError(
                f"{found.subject} is there already, and this tool didn't make it",
                where=f"stage {self.name}",
                why=f"it carries no label {OWNER_LABEL}={profile}; it is left as it is",
                remedy="delete or rename it, or give the playbook's object another name or namespace",
            )

    def changes(self, observed: list[Comparison]) -> list[Change]:
        return [
            Change("create", found.subject, "it isn't there", found.diff)
            if found.live is None
            else Change("update", found.subject, "it differs from what is wanted", found.diff)
            for found in observed
            if found.diff
        ]

    def apply(self, ctx: Context, changes: Sequence[Change]) -> None:
        cluster, subjects = ctx.cluster, {change.subject for change in changes}
        wanted = [obj for obj in self._wanted(ctx) if subject(obj) in subjects]
        for done, obj in enumerate(wanted):
            ctx.progress(f"applying {subject(obj)}", done, len(wanted))
            # Compared again: what is kept must be kept as it is now.
            body = compare(cluster, obj, self.kept(), self.manager).wanted if self.kept() else obj
            self._apply_one(ctx, cluster, body)

    def _apply_one(self, ctx: Context, cluster: Cluster, body: dict[str, Any]) -> None:
        """Apply, and wait for the kind where its definition was created a moment ago."""
        while True:
            try:
                cluster.apply(body, manager=self.manager)
            except UnknownKindError:
                if ctx.remaining < 1:
                    raise
                ctx.cancel.sleep(0.2)
            else:
                return

    def health(self, ctx: Context) -> str | None:
        cluster = ctx.cluster
        for obj in self.objects(ctx):
            if reason := workload_health(cluster, obj):
                return reason
        return None

    def watches(self) -> Sequence[Watch]:
        return (
            Watch("apps/v1", "Deployment"),
            Watch("v1", "Pod"),
            Watch("argoproj.io/v1alpha1", "Rollout"),
        )

    def remove(self, ctx: Context) -> list[Removal]:
        cluster = ctx.cluster
        return [removal for obj in reversed(self._wanted(ctx)) if (removal := _remove(cluster, obj, ctx.profile))]


def _labelled(obj: dict[str, Any], profile: str) -> dict[str, Any]:
    meta = obj["metadata"]
    return {**obj, "metadata": {**meta, "labels": {**(meta.get("labels") or {}), OWNER_LABEL: profile}}}


def _remove(cluster: Cluster, obj: dict[str, Any], profile: str) -> Removal | None:
    name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace")
    try:
        live = cluster.get(obj["apiVersion"], obj["kind"], name, namespace)
    except UnknownKindError:
        return None
    if live is None:
        return None
    if live["metadata"].get("labels", {}).get(OWNER_LABEL) != profile:
        return Removal(subject(obj), "left", "it doesn't carry this profile's label: somebody else made it")
    try:
        cluster.delete(obj["apiVersion"], obj["kind"], name, namespace)
    except ApiError as error:
        return Removal(subject(obj), "failed", str(error))
    return Removal(subject(obj), "removed")
