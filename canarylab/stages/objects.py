"""What kinds of stages that apply Kubernetes objects have in common: compare, apply, watch, remove."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from canarylab.contract.stage import Change, OptionsT, Stage
from canarylab.errors import StageError
from canarylab.kube import workloads
from canarylab.kube.apply import Comparison, IgnoredFields, compare, diff_of, stamped, subject
from canarylab.kube.client import FIELD_MANAGER, OWNER_LABEL, ApiError, UnknownKindError
from canarylab.kube.watch import Watch
from canarylab.ownership import definitions, namespaces
from canarylab.removal import Removal
from canarylab.stages import addresses, unknown_kind

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_FIRST = ("CustomResourceDefinition", "Namespace", "ServiceAccount", "ClusterRole", "Role")
_LAST = "Rollout"
"""Argo calls one Degraded that names what isn't there yet, and doesn't look again at once."""


class ObjectsStage(Stage[OptionsT, list[Comparison]]):
    """Applies a list of objects server-side under a field manager of its own, and puts drifted fields back."""

    @abstractmethod
    def objects(self, ctx: Context) -> list[dict[str, Any]]:
        """The objects as they are wanted."""

    def kept(self) -> Sequence[IgnoredFields]:
        """Fields that are left alone once the object is there."""
        return ()

    @property
    def manager(self) -> str:
        """One per stage: applying takes back what the same manager applied before and no longer names."""
        return f"{FIELD_MANAGER}/{self.name}"

    def _wanted(self, ctx: Context) -> list[dict[str, Any]]:
        labelled = [stamped(_labelled(obj, ctx.profile)) for obj in self.objects(ctx)]
        return sorted(labelled, key=_rank)

    def observe(self, ctx: Context) -> list[Comparison]:
        cluster, wanted = ctx.cluster, self._wanted(ctx)
        going = {name for name in _namespaces(wanted) if namespaces.is_terminating(cluster, name)}
        found = [
            # What is in a namespace that is being deleted is as good as gone, and so is the namespace.
            Comparison(obj, None, diff_of(None, obj))
            if _namespace(obj) in going
            else compare(cluster, obj, self.kept(), self.manager)
            for obj in wanted
        ]
        for comparison in found:
            self._refuse_foreign(comparison, ctx.profile)
        return found

    def _refuse_foreign(self, found: Comparison, profile: str) -> None:
        """What was there before belongs to somebody else: it is neither changed nor, later, deleted."""
        if found.live is None:
            return
        meta = found.live["metadata"]
        owner = (meta.get("labels") or {}).get(OWNER_LABEL)
        managers = {entry.get("manager") for entry in meta.get("managedFields") or []}
        if owner == profile or (owner is None and self.manager in managers):  # or somebody took the label away
            return
        why = f"it is profile {owner}'s" if owner else f"it carries no label {OWNER_LABEL}={profile}"
        raise StageError(
            f"{found.subject} is there already, and this {'profile' if owner else 'tool'} didn't make it",
            where=f"stage {self.name}",
            why=f"{why}; it is left as it is",
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

    def is_absent(self, observed: list[Comparison]) -> bool:
        return bool(observed) and all(found.live is None for found in observed)

    def apply(self, ctx: Context, observed: list[Comparison]) -> None:
        due = [found.wanted for found in observed if found.diff]
        for name in sorted(_namespaces(due)):
            namespaces.await_gone(ctx, name)
        for done, obj in enumerate(due):
            ctx.progress(f"applying {subject(obj)}", done, len(due))
            self._apply_one(ctx, obj)

    def _apply_one(self, ctx: Context, obj: dict[str, Any]) -> None:
        """Apply; where the kind isn't known, wait for its definition, which may have been created a moment ago."""
        kind = obj["apiVersion"], obj["kind"]
        try:
            resource = ctx.cluster.resource(*kind)
        except UnknownKindError:
            unknown_kind.await_definition(ctx, obj, self.origin(ctx, obj))
            resource = ctx.cluster.resource(*kind)
        if obj["metadata"].get("namespace") and not resource.namespaced:
            obj = self._wanted_in_none(ctx, obj)  # it wasn't known when it was observed
        if any(rule.kind == obj["kind"] for rule in self.kept()):
            # With those fields as they are at this moment: somebody may have set it since it was observed.
            obj = compare(ctx.cluster, obj, self.kept(), self.manager).wanted
        ctx.cluster.apply(obj, manager=self.manager)

    def _wanted_in_none(self, ctx: Context, obj: dict[str, Any]) -> dict[str, Any]:
        """The same object now that its kind is known to live in no namespace, with the digest of what it is so."""
        same = (obj["apiVersion"], obj["kind"], obj["metadata"]["name"])
        found = (one for one in self._wanted(ctx) if (one["apiVersion"], one["kind"], one["metadata"]["name"]) == same)
        return next(found, obj)

    def origin(self, ctx: Context, obj: dict[str, Any]) -> str:  # noqa: ARG002 - for those that read files
        """Where the object was written down, as an error names it."""
        return f"stage {self.name}"

    def health(self, ctx: Context) -> str | None:
        cluster, objects = ctx.cluster, self.objects(ctx)
        for obj in objects:
            if reason := workloads.workload_health(cluster, obj):
                return reason
        return addresses.why_no_address(ctx, objects)

    def watches(self) -> Sequence[Watch]:
        return (*workloads.watches(objects=self.declared()), Watch("v1", "Service"))

    def declared(self) -> Sequence[dict[str, Any]]:
        """The objects as far as they are known without a cluster."""
        return ()

    def remove(self, ctx: Context) -> list[Removal]:
        return [removal for obj in reversed(self._wanted(ctx)) for removal in _remove(ctx, obj)]

    def removals(self, ctx: Context) -> list[Removal]:
        planned = (_planned(ctx, obj) for obj in reversed(self._wanted(ctx)))
        return [removal for removal in planned if removal]


def _rank(obj: dict[str, Any]) -> int:
    """Where an object comes among those of a stage, whose own order holds otherwise."""
    kind = obj["kind"]
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST) + (kind == _LAST)


def _labelled(obj: dict[str, Any], profile: str) -> dict[str, Any]:
    meta = obj["metadata"]
    return {**obj, "metadata": {**meta, "labels": {**(meta.get("labels") or {}), OWNER_LABEL: profile}}}


def _namespace(obj: dict[str, Any]) -> str | None:
    """The namespace that it lives in, or is."""
    name: str | None = obj["metadata"]["name"] if obj["kind"] == "Namespace" else obj["metadata"].get("namespace")
    return name


def _namespaces(objects: Sequence[dict[str, Any]]) -> set[str]:
    return {name for obj in objects if (name := _namespace(obj))}


def _planned(ctx: Context, obj: dict[str, Any]) -> Removal | None:
    """What is to be done with it; None where it isn't there."""
    meta = obj["metadata"]
    try:
        live = ctx.cluster.get(obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace"))
    except UnknownKindError:
        return None
    if live is None or (obj["kind"] == "Namespace" and live["metadata"].get("deletionTimestamp")):
        return None
    if live["metadata"].get("labels", {}).get(OWNER_LABEL) != ctx.profile:
        return Removal(subject(obj), "left", "it doesn't carry this profile's label: somebody else made it")
    if obj["kind"] == "CustomResourceDefinition":
        return definitions.removal(ctx, live)
    return Removal(subject(obj), "removed")


def _remove(ctx: Context, obj: dict[str, Any]) -> list[Removal]:
    planned = _planned(ctx, obj)
    if planned is None or planned.outcome != "removed":
        return [planned] if planned else []
    name = obj["metadata"]["name"]
    try:
        if obj["kind"] == "Namespace":
            return ctx.ownership.remove_namespace(ctx, name)
        ctx.cluster.delete(obj["apiVersion"], obj["kind"], name, obj["metadata"].get("namespace"))
    except ApiError as error:
        return [Removal(subject(obj), "failed", str(error))]
    return [planned]
