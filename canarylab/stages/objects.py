"""What kinds of stages that apply Kubernetes objects have in common: compare, apply, watch, remove."""

from __future__ import annotations

import functools
import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from canarylab.contract.context import Context
from canarylab.contract.stage import Change, OptionsT, Stage
from canarylab.errors import StageError
from canarylab.kube import workloads
from canarylab.kube.apply import Comparison, IgnoredFields, compare, diff_of, is_applied, live_object, stamped, subject
from canarylab.kube.client import ApiError, is_served
from canarylab.kube.lost_entries import lost
from canarylab.kube.objects import OWNER_LABEL, dig, identity, is_terminating, managers_of, owned, owner_of
from canarylab.kube.watch import Watch
from canarylab.ownership import crds, namespaces
from canarylab.removal import Removal
from canarylab.rollouts.causes import refusals
from canarylab.rollouts.managed import Managed
from canarylab.stages import addresses, unknown_kind

_FIRST = ("CustomResourceDefinition", "Namespace", "ServiceAccount", "ClusterRole", "Role")
_LAST = "Rollout"
"""Argo calls one Degraded that names what isn't there yet, and doesn't look again at once."""


class ObjectsStage(Stage[OptionsT, list[Comparison]]):
    """Applies a list of objects server-side under a field manager of its own, and puts drifted fields back."""

    @abstractmethod
    def objects(self, ctx: Context) -> list[dict[str, Any]]:
        """The objects as they are wanted."""

    def foreign(self, ctx: Context) -> str | None:  # noqa: ARG002 - for what a cluster has once
        """In words, what somebody else installed that does in place of the objects: none is made then.

        Raises ConflictError where it doesn't fit.
        """
        return None

    def left(self, ctx: Context) -> list[Removal]:  # noqa: ARG002 - for what a cluster has once
        """What a removal leaves, and nothing is removed then: what somebody else installed in place of the objects."""
        return []

    def made(self, ctx: Context) -> list[dict[str, Any]]:
        """The objects that this stage makes."""
        return [] if self.foreign(ctx) else self.objects(ctx)

    def kept(self) -> Sequence[IgnoredFields]:
        """Fields that are left alone once the object is there."""
        return ()

    def _wanted(self, ctx: Context) -> list[dict[str, Any]]:
        ours = ({**obj, "metadata": owned(obj["metadata"], ctx.profile)} for obj in self.made(ctx))
        return sorted(map(stamped, ours), key=_rank)

    def observe(self, ctx: Context) -> list[Comparison]:
        if found := self.foreign(ctx):
            ctx.progress(f"{found}: it is used as it is")
            return []
        return self.compared(ctx)

    def compared(self, ctx: Context) -> list[Comparison]:
        """The objects beside what is there. Raises StageError for one that somebody else made."""
        cluster, wanted = ctx.cluster, self._wanted(ctx)
        managed = Managed.read(cluster, wanted)
        terminating = {name for name in _namespaces(wanted) if namespaces.is_namespace_terminating(cluster, name)}
        found = [
            # What is in a namespace that is being deleted is as good as gone, and so is the namespace.
            Comparison(obj, None, diff_of(None, obj))
            if _namespace(obj) in terminating
            else compare(cluster, obj, self.kept(), self.manager, managed.left)
            for obj in wanted
        ]
        for comparison in found:
            self._refuse_foreign(comparison, ctx.profile)
        return found

    def _refuse_foreign(self, found: Comparison, profile: str) -> None:
        """What was there before belongs to somebody else: it is neither changed nor, later, deleted."""
        owner = owner_of(found.live)
        label_was_taken_away = owner is None and self.manager in managers_of(found.live)
        if found.live is None or owner == profile or label_was_taken_away:
            return
        why = f"it is profile {owner}'s" if owner else f"it carries no label {OWNER_LABEL}={profile}"
        raise StageError(
            f"{found.subject} is there already, and this {'profile' if owner else 'tool'} didn't make it",
            where=f"stage {self.name}",
            why=f"{why}; it is left as it is",
            remedy="delete or rename it, or give the playbook's object another name or namespace",
        )

    def changes(self, observed: list[Comparison]) -> list[Change]:
        return [self.change(found) for found in observed if found.diff]

    def change(self, found: Comparison) -> Change:
        """What is to be done about a difference."""
        if found.live is None:
            return Change("create", found.subject, "it isn't there", found.diff)
        gone = lost(found.wanted, found.live, self.manager)
        return Change("update", found.subject, "it differs from what is wanted", found.diff, gone)

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
        if not is_served(ctx.cluster, *kind):
            unknown_kind.await_definition(ctx, obj, self.origin(ctx, obj))
        if obj["metadata"].get("namespace") and not ctx.cluster.resource(*kind).namespaced:
            obj = self._wanted_in_none(ctx, obj)  # it wasn't known when it was observed
        if obj["kind"] == "Pod" and not dig(obj, "spec", "serviceAccountName"):
            namespaces.await_ready_for_pods(ctx, obj["metadata"]["namespace"])
        managed = Managed.read(ctx.cluster, [obj])
        if managed.concerns(obj) or any(rule.kind == obj["kind"] for rule in self.kept()):
            # With those fields as they are at this moment: somebody may have set it since it was observed.
            obj = compare(ctx.cluster, obj, self.kept(), self.manager, managed.left).wanted
        with refusals.explained(ctx, subject(obj), obj["metadata"].get("namespace") or ""):
            ctx.cluster.apply(obj, manager=self.manager)

    def _wanted_in_none(self, ctx: Context, obj: dict[str, Any]) -> dict[str, Any]:
        """The same object now that its kind is known to live in no namespace, with the digest of what it is so."""
        return next((one for one in self._wanted(ctx) if identity(one) == identity(obj)), obj)

    def origin(self, ctx: Context, obj: dict[str, Any]) -> str:  # noqa: ARG002 - for those that read files
        """Where the object was written down, as an error names it."""
        return f"stage {self.name}"

    def health(self, ctx: Context) -> str | None:
        objects = self.made(ctx)
        return workloads.first_unhealthy(ctx.cluster, objects) or addresses.why_no_address(ctx, objects)

    def watches(self) -> Sequence[Watch]:
        return (*workloads.watches(objects=self.declared()), Watch("v1", "Service"))

    def declared(self) -> Sequence[dict[str, Any]]:
        """The objects as far as they are known without a cluster."""
        return ()

    def remove(self, ctx: Context) -> list[Removal]:
        return self.left(ctx) or [removal for obj in reversed(self._wanted(ctx)) for removal in _remove(ctx, obj)]

    def removals(self, ctx: Context) -> list[Removal]:
        return self.left(ctx) or list(filter(None, (_planned(ctx, obj) for obj in reversed(self._wanted(ctx)))))


def unapplied(ctx: Context) -> Iterator[dict[str, Any]]:
    """Of the objects that the playbook's files hold those that aren't in the cluster as they are written."""
    for stage in ctx.playbook.stages:
        if isinstance(stage, ObjectsStage) and stage.written():
            yield from (obj for obj in stage._wanted(ctx) if not is_applied(obj, live_object(ctx.cluster, obj)))


@functools.cache
def read_list(manifest: Path) -> tuple[dict[str, Any], ...]:
    """The objects of a JSON list. Not to be changed: definitions are large, and read once a run."""
    return tuple(json.loads(manifest.read_text()))


def _rank(obj: dict[str, Any]) -> int:
    """Where an object comes among those of a stage, whose own order holds otherwise."""
    kind = obj["kind"]
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST) + (kind == _LAST)


def _namespace(obj: dict[str, Any]) -> str | None:
    """The namespace that it lives in, or is."""
    name: str | None = obj["metadata"]["name"] if obj["kind"] == "Namespace" else obj["metadata"].get("namespace")
    return name


def _namespaces(objects: Sequence[dict[str, Any]]) -> set[str]:
    return {name for obj in objects if (name := _namespace(obj))}


def _planned(ctx: Context, obj: dict[str, Any]) -> Removal | None:
    """What is to be done with it; None where it isn't there."""
    live = live_object(ctx.cluster, obj)
    if live is None or (obj["kind"] == "Namespace" and is_terminating(live)):
        return None
    if owner_of(live) != ctx.profile:
        return Removal(subject(obj), "left", "it doesn't carry this profile's label: somebody else made it")
    if obj["kind"] == "CustomResourceDefinition":
        return crds.removal(ctx, live)
    return Removal(subject(obj), "removed")


def _remove(ctx: Context, obj: dict[str, Any]) -> list[Removal]:
    planned = _planned(ctx, obj)
    if planned is None or planned.outcome != "removed":
        return [planned] if planned else []
    try:
        if obj["kind"] == "Namespace":
            return ctx.ownership.remove_namespace(ctx, obj["metadata"]["name"])
        ctx.cluster.delete(*identity(obj), obj["metadata"].get("namespace"))
    except ApiError as error:
        return [Removal(subject(obj), "failed", str(error))]
    return [planned]
