"""The stage `cluster` of a cluster that is there already: nothing to make, only a kubeconfig of the profile's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canarylab.contract.stage import Change, Stage, StageOptions
from canarylab.files import delete, write_private
from canarylab.kube import kubeconfig
from canarylab.kube.watch import Watch
from canarylab.providers.existing import requirements, userconfig
from canarylab.removal import Removal

if TYPE_CHECKING:
    from canarylab.contract.context import Context


@dataclass(frozen=True)
class KubeconfigState:
    """The profile's own kubeconfig as it is and as the user's says it should be; `own` is {} where there is none."""

    context: str
    file: str
    own: dict[str, Any]
    wanted: dict[str, Any]


class ClusterStage(Stage[StageOptions, KubeconfigState]):
    """Somebody else's cluster: reached by a copy of its context, in a file that only its owner can read."""

    kind = "cluster"
    Options = StageOptions
    in_cluster = False

    def __init__(self, context: str) -> None:
        super().__init__(self.kind, StageOptions())
        self._context = context

    def observe(self, ctx: Context) -> KubeconfigState:
        name, file = self._context, ctx.paths.kubeconfig
        return KubeconfigState(name, str(file), kubeconfig.load(file), userconfig.single(name))

    def changes(self, observed: KubeconfigState) -> list[Change]:
        if observed.own == observed.wanted:
            return []
        subject = f"kubeconfig {observed.file}"
        if not observed.own:
            return [Change("create", subject, f"a copy of context {observed.context} isn't there")]
        return [Change("update", subject, f"context {observed.context} has changed")]

    def apply(self, ctx: Context, observed: KubeconfigState) -> None:
        write(ctx, observed.wanted)

    def health(self, ctx: Context) -> str | None:
        """The API server, and a node for pods to run on."""
        return requirements.trouble(ctx.cluster)

    def watches(self) -> Sequence[Watch]:
        return (Watch("v1", "Node"),)

    def remove(self, ctx: Context) -> list[Removal]:
        planned = self.removals(ctx)
        if planned:
            delete(ctx.paths.kubeconfig)
        return planned

    def removals(self, ctx: Context) -> list[Removal]:
        """The file. The cluster itself is never touched."""
        if not ctx.paths.kubeconfig.exists() or temporary_mark(ctx).exists():
            return []
        left = Removal(f"cluster of context {self._context}", "left", "it isn't ours")
        return [Removal(f"kubeconfig {ctx.paths.kubeconfig}", "removed"), left]

    def facts(self, ctx: Context) -> dict[str, Any]:
        cluster = ctx.cluster
        return {
            "context": cluster.context,
            "kubernetes": ".".join(map(str, cluster.version())),
            "nodes": len(cluster.list("v1", "Node")),
        }


def write(ctx: Context, config: dict[str, Any]) -> None:
    """Make `config` the profile's own kubeconfig, which only its user can read."""
    ctx.paths.create()
    write_private(ctx.paths.kubeconfig, kubeconfig.as_text(config))


def temporary_mark(ctx: Context) -> Path:
    """It is there while the profile's folder was made for one command alone, and goes with it."""
    return ctx.paths.root / "for-one-command"
