"""Kind `namespace`: a namespace with its labels, such as the one that asks Istio to inject its sidecar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.stage import Change, Stage, StageOptions
from canarylab.kube.apply import diff_of
from canarylab.kube.objects import dig, labels_of, owned, owner_of
from canarylab.ownership import namespaces
from canarylab.removal import Removal


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

    def _body(self, **meta: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.options.namespace, **meta}}

    def observe(self, ctx: Context) -> NamespaceState:
        live = namespaces.standing(ctx.cluster, self.options.namespace)
        is_ours = live is None or owner_of(live) == ctx.profile
        meta = {"labels": dict(self.options.labels)} if self.options.labels else {}
        wanted = self._body(**(owned(meta, ctx.profile) if is_ours else meta))
        would_be = ctx.cluster.apply(wanted, dry_run=True, manager=self.manager) if live else wanted
        return NamespaceState(live, wanted, diff_of(live, would_be))

    def changes(self, observed: NamespaceState) -> list[Change]:
        subject = f"Namespace {self.options.namespace}"
        if observed.live is None:
            return [Change("create", subject, "it isn't there", observed.diff)]
        return [Change("update", subject, "its labels differ", observed.diff)] if observed.diff else []

    def is_absent(self, observed: NamespaceState) -> bool:
        """Of a namespace that was there before, the labels are all there is of the stage."""
        has_some = labels_of(observed.live).keys() & labels_of(observed.wanted).keys()
        return observed.live is None or (bool(observed.diff) and not has_some)

    def apply(self, ctx: Context, observed: NamespaceState) -> None:
        namespaces.await_gone(ctx, self.options.namespace)
        ctx.cluster.apply(observed.wanted, manager=self.manager)

    def health(self, ctx: Context) -> str | None:
        phase = dig(ctx.cluster.get("v1", "Namespace", self.options.namespace), "status", "phase")
        return None if phase == "Active" else f"Namespace {self.options.namespace} is {phase or 'not there'}"

    def remove(self, ctx: Context) -> list[Removal]:
        name, planned = self.options.namespace, self.removals(ctx)
        if planned == [Removal(f"Namespace {name}", "removed")]:
            return ctx.ownership.remove_namespace(ctx, name)
        if any(removal.outcome == "removed" for removal in planned):
            ctx.cluster.apply(self._body(), manager=self.manager)  # applying nothing takes our labels back
        return planned

    def removals(self, ctx: Context) -> list[Removal]:
        """The namespace, if it is ours; else the labels that we gave it."""
        name = self.options.namespace
        if (live := namespaces.standing(ctx.cluster, name)) is None:
            return []
        if owner_of(live) == ctx.profile:
            return [Removal(f"Namespace {name}", "removed")]
        without_ours = ctx.cluster.apply(self._body(), dry_run=True, manager=self.manager)
        going = sorted(labels_of(live).keys() - labels_of(without_ours).keys())
        removed = [Removal(f"labels {', '.join(going)} of Namespace {name}", "removed")] if going else []
        left = Removal(f"Namespace {name}", "left", "not ours")
        return [*removed, left] if going or owner_of(live) is not None else []
