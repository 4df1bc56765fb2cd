"""Kind `namespace`: a namespace with its labels, such as the one that asks Istio to inject its sidecar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from canarylab.contract.stage import Change, Stage, StageOptions
from canarylab.kube.apply import diff_of
from canarylab.kube.client import FIELD_MANAGER, OWNER_LABEL
from canarylab.ownership import namespaces
from canarylab.removal import Removal

if TYPE_CHECKING:
    from canarylab.contract.context import Context


class NamespaceOptions(StageOptions):
    """Which namespace, with which labels."""

    namespace: str = Field(description="name of the namespace; created where there is none")
    labels: dict[str, str] = Field({}, description="labels that it carries")


@dataclass(frozen=True)
class NamespaceState:
    """The namespace as it is, None where it isn't or is being deleted, and as it is wanted."""

    live: dict[str, Any] | None
    wanted: dict[str, Any]
    diff: str


class NamespaceStage(Stage[NamespaceOptions, NamespaceState]):
    """A namespace that was there before keeps everything but our labels, and is never deleted."""

    kind: ClassVar[str] = "namespace"
    Options: ClassVar[type[StageOptions]] = NamespaceOptions

    @property
    def _manager(self) -> str:
        return f"{FIELD_MANAGER}/{self.name}"

    def _body(self, labels: dict[str, str]) -> dict[str, Any]:
        meta = {"name": self.options.namespace, **({"labels": labels} if labels else {})}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}

    def observe(self, ctx: Context) -> NamespaceState:
        live = ctx.cluster.get("v1", "Namespace", self.options.namespace)
        if live and live["metadata"].get("deletionTimestamp"):
            live = None  # it is going, and will have to be made anew
        made_here = live is None or (live["metadata"].get("labels") or {}).get(OWNER_LABEL) == ctx.profile
        owner = {OWNER_LABEL: ctx.profile} if made_here else {}
        wanted = self._body({**self.options.labels, **owner})
        would_be = ctx.cluster.apply(wanted, dry_run=True, manager=self._manager) if live else wanted
        return NamespaceState(live, wanted, diff_of(live, would_be))

    def changes(self, observed: NamespaceState) -> list[Change]:
        subject = f"Namespace {self.options.namespace}"
        if observed.live is None:
            return [Change("create", subject, "it isn't there", observed.diff)]
        return [Change("update", subject, "its labels differ", observed.diff)] if observed.diff else []

    def is_absent(self, observed: NamespaceState) -> bool:
        """Of a namespace that was there before, the labels are all there is of the stage."""
        if observed.live is None:
            return True
        labels = observed.live["metadata"].get("labels") or {}
        return bool(observed.diff) and not labels.keys() & observed.wanted["metadata"].get("labels", {}).keys()

    def apply(self, ctx: Context, observed: NamespaceState) -> None:
        namespaces.await_gone(ctx, self.options.namespace)
        ctx.cluster.apply(observed.wanted, manager=self._manager)

    def health(self, ctx: Context) -> str | None:
        live = ctx.cluster.get("v1", "Namespace", self.options.namespace)
        phase = (live or {}).get("status", {}).get("phase")
        return None if phase == "Active" else f"Namespace {self.options.namespace} is {phase or 'not there'}"

    def remove(self, ctx: Context) -> list[Removal]:
        name, planned = self.options.namespace, self.removals(ctx)
        if planned == [Removal(f"Namespace {name}", "removed")]:
            return ctx.ownership.remove_namespace(ctx, name)
        if any(removal.outcome == "removed" for removal in planned):
            ctx.cluster.apply(self._body({}), manager=self._manager)  # applying nothing takes our labels back
        return planned

    def removals(self, ctx: Context) -> list[Removal]:
        """The namespace, if it is ours; else the labels that we gave it."""
        name = self.options.namespace
        live = ctx.cluster.get("v1", "Namespace", name)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return []
        labels = live["metadata"].get("labels") or {}
        if labels.get(OWNER_LABEL) == ctx.profile:
            return [Removal(f"Namespace {name}", "removed")]
        without_ours = ctx.cluster.apply(self._body({}), dry_run=True, manager=self._manager)
        going = sorted(set(labels) - set(without_ours["metadata"].get("labels") or {}))
        removed = [Removal(f"labels {', '.join(going)} of Namespace {name}", "removed")] if going else []
        left = Removal(f"Namespace {name}", "left", "not ours")
        return [*removed, left] if going or OWNER_LABEL in labels else []
