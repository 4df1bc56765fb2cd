"""Kind `namespace`: a namespace with its labels, such as the one that asks Istio to inject its sidecar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from canarylab.kube.apply import diff_of
from canarylab.kube.client import FIELD_MANAGER, OWNER_LABEL
from canarylab.stages.base import Change, Removal, Stage, StageOptions

if TYPE_CHECKING:
    from canarylab.context import Context


class NamespaceOptions(StageOptions):
    namespace: str = Field(description="name of the namespace; created where there is none")
    labels: dict[str, str] = Field({}, description="labels that it carries")


@dataclass(frozen=True)
class NamespaceState:
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
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.options.namespace, "labels": labels}}

    def observe(self, ctx: Context) -> NamespaceState:
        live = ctx.cluster.get("v1", "Namespace", self.options.namespace)
        made_here = live is None or OWNER_LABEL in live["metadata"].get("labels", {})
        owner = {OWNER_LABEL: ctx.profile} if made_here else {}
        wanted = self._body({**self.options.labels, **owner})
        would_be = ctx.cluster.apply(wanted, dry_run=True, manager=self._manager) if live else wanted
        return NamespaceState(live, wanted, diff_of(live, would_be))

    def changes(self, observed: NamespaceState) -> list[Change]:
        subject = f"Namespace {self.options.namespace}"
        if observed.live is None:
            return [Change("create", subject, "it isn't there", observed.diff)]
        return [Change("update", subject, "its labels differ", observed.diff)] if observed.diff else []

    def apply(self, ctx: Context, changes: Sequence[Change]) -> None:  # noqa: ARG002 - one object, one change
        ctx.cluster.apply(self.observe(ctx).wanted, manager=self._manager)

    def health(self, ctx: Context) -> str | None:
        live = ctx.cluster.get("v1", "Namespace", self.options.namespace)
        phase = (live or {}).get("status", {}).get("phase")
        return None if phase == "Active" else f"Namespace {self.options.namespace} is {phase or 'not there'}"

    def remove(self, ctx: Context) -> list[Removal]:
        name = self.options.namespace
        live = ctx.cluster.get("v1", "Namespace", name)
        if live is None:
            return []
        if live["metadata"].get("labels", {}).get(OWNER_LABEL) == ctx.profile:
            ctx.cluster.delete("v1", "Namespace", name)
            return [Removal(f"Namespace {name}", "removed")]
        ctx.cluster.apply(self._body({}), manager=self._manager)  # applying nothing takes our labels back
        labels = ", ".join(self.options.labels)
        return [
            Removal(f"labels {labels} of Namespace {name}", "removed"),
            Removal(f"Namespace {name}", "left", "not ours"),
        ]
