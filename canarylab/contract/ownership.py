"""Whose cluster it is, asked as what follows from it. A provider says it once; a run has it as `ctx.ownership`."""

# ruff: noqa: ARG002 - what a guest has to look at doesn't matter on a cluster of our own

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from canarylab.contract.context import Context
from canarylab.kube.objects import Object
from canarylab.removal import Removal
from canarylab.tools.helm import Release

Render = Callable[[], Sequence[Object]]
"""The objects that a chart would make, for those who need them: Helm takes a while."""


@dataclass(frozen=True)
class WantedRelease:
    """A Helm release as the playbook wants it; `chart` without its repository."""

    name: str
    namespace: str
    chart: str
    version: str


class Ownership:
    """What may be done on a cluster. These answers are for the tool's own: nobody else has anything on it.

    `canarylab.ownership.policy.GuestCluster` answers for one that others use.
    """

    is_deleted_whole: ClassVar[bool] = True
    """Whether a teardown deletes the cluster with all that is in it, not what the stages made, one by one."""
    looks_first: ClassVar[bool] = False
    """Whether all stages look at what is there, and a teardown shows what goes, before the first change."""
    takes_context: ClassVar[bool] = False
    """Whether the user names the kubeconfig context that leads to it."""

    def was_brought_up(self, ctx: Context) -> bool:
        """Whether the cluster, which answers, is one that `up` has been at."""
        return True

    def context_name(self, ctx: Context) -> str:
        """What kubectl calls it. Raises CanarylabError where that can't be known."""
        return ctx.profile

    def applied_name(self, ctx: Context) -> str:
        """The name of the ConfigMap that says what was applied."""
        return "canarylab"

    def environment(self) -> Mapping[str, str]:
        """For programs that talk to its API, so that they find it.

        A proxy that pip and Go may need would get their requests, away from this machine, where the cluster is.
        """
        return {"NO_PROXY": "*", "no_proxy": "*"}

    def without_address(self, ctx: Context) -> tuple[str, str]:
        """Why a LoadBalancer Service may have no address, and what to do then."""
        remedy = f"`{ctx.command('tunnel start')}` starts one; `{ctx.command('status')}` shows the address"
        return "a LoadBalancer Service stays pending without a tunnel", remedy

    # -- what is found ------------------------------------------------------------------------------------------------

    def is_ours(self, ctx: Context, labels: Mapping[str, str]) -> bool:
        """Whether what carries these labels is this profile's."""
        return True

    def concerns(self, ctx: Context, obj: Object) -> bool:
        """Whether an object has to do with the playbook, and `status` shows it."""
        return True

    def others(
        self, ctx: Context, api_version: str, kind: str, labels: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """The objects of a kind that somebody else made."""
        return []

    def found_release(
        self, ctx: Context, wanted: WantedRelease, records: Sequence[Release], render: Render
    ) -> str | None:
        """In words, what somebody else installed in a release's place, and fits. Raises where it doesn't fit."""
        return None

    def refuse_shared_gateways(self, ctx: Context, stage: str, objects: Sequence[Object]) -> None:
        """Raise for a Gateway among the objects that would configure somebody else's gateway too."""

    # -- what is made and removed -------------------------------------------------------------------------------------

    def release_labels(self, ctx: Context, records: Sequence[Release], render: Render) -> dict[str, str]:
        """The labels that a release gets besides ours. Reads only."""
        return {}

    def prepare_release(self, ctx: Context, namespace: str) -> None:
        """Make what Helm isn't to make itself."""

    def left_by_helm(self, ctx: Context, release: Release) -> list[Removal]:
        """What Helm will leave of a release, and `sweep` and `drop_release_namespace` would remove. Reads only."""
        return []

    def sweep(self, ctx: Context, release: Release) -> list[Removal]:
        """Remove what Helm would leave of a release, before it uninstalls it."""
        return []

    def drop_release_namespace(self, ctx: Context, name: str) -> list[Removal]:
        """Remove a namespace that was made for releases, once there is none in it."""
        return []

    def remove_namespace(self, ctx: Context, name: str) -> list[Removal]:
        """Delete a namespace that is ours."""
        ctx.cluster.delete("v1", "Namespace", name)
        return [Removal(f"Namespace {name}", "removed")]
