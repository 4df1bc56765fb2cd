"""The policy on a cluster that others use: ours is what carries our label, and nothing else is changed or removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from canarylab import applied
from canarylab.contract.context import Context
from canarylab.contract.ownership import Ownership, Render, WantedRelease
from canarylab.kube.objects import OWNER_LABEL, Object, owner_of
from canarylab.ownership import foreign, gateways, helm_removal, namespaces
from canarylab.removal import Removal
from canarylab.tools.helm import Release


class GuestCluster(Ownership):
    """Somebody else's cluster, on which this tool is a guest."""

    is_deleted_whole: ClassVar[bool] = False
    looks_first: ClassVar[bool] = True
    takes_context: ClassVar[bool] = True

    def was_brought_up(self, ctx: Context) -> bool:
        return ctx.paths.kubeconfig.exists() and bool(applied.read(ctx))

    def context_name(self, ctx: Context) -> str:
        return ctx.cluster.context

    def applied_name(self, ctx: Context) -> str:
        """It may carry several profiles."""
        return f"{super().applied_name(ctx)}-{ctx.profile}"

    def environment(self) -> Mapping[str, str]:
        """It may be beyond a proxy."""
        return {}

    def without_address(self, ctx: Context) -> tuple[str, str]:
        why = "a LoadBalancer Service stays pending without a load balancer that serves this cluster"
        return why, f"`{ctx.command('tunnel status')}` says where to look"

    def is_ours(self, ctx: Context, labels: Mapping[str, str]) -> bool:
        return labels.get(OWNER_LABEL) == ctx.profile

    def concerns(self, ctx: Context, obj: Object) -> bool:
        return foreign.is_of_playbook(ctx, obj)

    def others(
        self, ctx: Context, api_version: str, kind: str, labels: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        found = ctx.cluster.list(api_version, kind, labels=labels)
        return [obj for obj in found if owner_of(obj) != ctx.profile]

    def found_release(
        self, ctx: Context, wanted: WantedRelease, records: Sequence[Release], render: Render
    ) -> str | None:
        """Raises ConflictError for what doesn't fit."""
        if any(self.is_ours(ctx, release.labels) for release in records):
            return None
        return foreign.found_release(ctx, wanted, records, render())

    def refuse_shared_gateways(self, ctx: Context, stage: str, objects: Sequence[Object]) -> None:
        gateways.refuse_shared(ctx, stage, objects)

    def release_labels(self, ctx: Context, records: Sequence[Release], render: Render) -> dict[str, str]:
        """Marks for the definitions that an earlier release had left."""
        return helm_removal.labels_of_found(ctx, records, render)

    def prepare_release(self, ctx: Context, namespace: str) -> None:
        """The namespace, with our label."""
        namespaces.ensure(ctx, namespace)

    def left_by_helm(self, ctx: Context, release: Release) -> list[Removal]:
        return helm_removal.planned(ctx, release)

    def sweep(self, ctx: Context, release: Release) -> list[Removal]:
        return helm_removal.sweep(ctx, release)

    def drop_release_namespace(self, ctx: Context, name: str) -> list[Removal]:
        return helm_removal.remove_namespace(ctx, name)

    def remove_namespace(self, ctx: Context, name: str) -> list[Removal]:
        return namespaces.remove(ctx, name)
