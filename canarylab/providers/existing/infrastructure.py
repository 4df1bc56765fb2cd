"""The infrastructure of a cluster that is there already: nothing is made but a kubeconfig of the profile's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canarylab.contract.provider import Finding, Infrastructure
from canarylab.contract.stage import Change, Stage, StageOptions
from canarylab.errors import CanarylabError, UsageError
from canarylab.files import delete, write_private
from canarylab.kube import kubeconfig
from canarylab.kube.watch import Watch
from canarylab.paths import cache_home
from canarylab.providers.existing import access, doctor, guard, requirements, user_kubeconfig
from canarylab.removal import Removal

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec

_KEPT = ("charts", "images")
"""What this provider keeps in the cache: charts and manifests that were fetched, images that were built."""


@dataclass(frozen=True)
class KubeconfigState:
    """The profile's own kubeconfig as it is and as the user's says it should be; `own` is {} where there is none."""

    file: Path
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
        file = ctx.paths.kubeconfig
        return KubeconfigState(file, kubeconfig.load(file), user_kubeconfig.single(self._context))

    def changes(self, observed: KubeconfigState) -> list[Change]:
        if observed.own == observed.wanted:
            return []
        subject = f"kubeconfig {observed.file}"
        if not observed.own:
            return [Change("create", subject, f"a copy of context {self._context} isn't there")]
        return [Change("update", subject, f"context {self._context} has changed")]

    def apply(self, ctx: Context, observed: KubeconfigState) -> None:
        _write(ctx, observed.wanted)

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
        if not ctx.paths.kubeconfig.exists() or _temporary_mark(ctx).exists():
            return []
        left = Removal(f"cluster of context {self._context}", "left", "it isn't ours")
        return [Removal(f"kubeconfig {ctx.paths.kubeconfig}", "removed"), left]

    def facts(self, ctx: Context) -> dict[str, Any]:
        version = ".".join(map(str, ctx.cluster.version()))
        return {"context": ctx.cluster.context, "kubernetes": version, "nodes": len(ctx.cluster.list("v1", "Node"))}


class ThereAlready(Infrastructure):
    """For any provider of a cluster that a context of the user's kubeconfig leads to."""

    def __init__(self, spec: ClusterSpec) -> None:
        self._spec = spec

    def findings(self, ctx: Context) -> list[Finding]:
        """Whether the cluster is one that a playbook can run on."""
        return doctor.cluster(ctx, self._spec)

    def stages(self) -> Sequence[Stage[Any, Any]]:
        """Raises UsageError without a context, so that no command goes on without one."""
        return (ClusterStage(user_kubeconfig.require(self._spec.context)),)


class GuardedInfrastructure(ThereAlready):
    """Asks before it works on a cluster that others rely on, and leaves no trace of a command that only looks."""

    def findings(self, ctx: Context) -> list[Finding]:
        return doctor.findings(ctx, self._spec)

    @contextmanager
    def session(self, ctx: Context, command: str) -> Iterator[None]:
        if command.startswith("tunnel"):
            raise UsageError(
                f"there is nothing for `{command}` to do: {access.NOTE}",
                remedy=f"`{ctx.command('tunnel status')}` shows them",
            )
        mark = _temporary_mark(ctx)
        if command == "up":
            requirements.require(ctx)
            guard.require_consent(ctx, command)
            mark.unlink(missing_ok=True)
        else:
            _require_answer(ctx)
            guard.require_consent(ctx, command)
            self._refresh(ctx)
        try:
            yield
        finally:
            if mark.exists():
                delete(ctx.paths.root)

    def _refresh(self, ctx: Context) -> None:
        """Helm and the plugin read the profile's own kubeconfig: it says what the user's says now."""
        is_temporary = not ctx.paths.root.exists()
        wanted = user_kubeconfig.single(user_kubeconfig.require(self._spec.context))
        if kubeconfig.load(ctx.paths.kubeconfig) != wanted:
            _write(ctx, wanted)
        if is_temporary:
            _temporary_mark(ctx).touch()

    def leftovers(self, ctx: Context) -> list[Removal]:
        return [] if _temporary_mark(ctx).exists() else super().leftovers(ctx)

    def purge(self, ctx: Context) -> list[Removal]:  # noqa: ARG002 - they are in the cache
        folders = [cache_home() / name for name in _KEPT]
        return [Removal(f"files in {folder}", "removed") for folder in folders if delete(folder)]


def _write(ctx: Context, config: dict[str, Any]) -> None:
    """Make `config` the profile's own kubeconfig, which only its user can read."""
    ctx.paths.create()
    write_private(ctx.paths.kubeconfig, kubeconfig.as_text(config))


def _temporary_mark(ctx: Context) -> Path:
    """It is there while the profile's folder was made for one command alone, and goes with it."""
    return ctx.paths.root / "for-one-command"


def _require_answer(ctx: Context) -> None:
    """Raise where the cluster doesn't answer, rather than once for each stage."""
    cluster = ctx.cluster
    if reason := cluster.ready():
        raise CanarylabError(
            reason,
            where=f"context {cluster.context}",
            why="nothing was changed",
            remedy=f"kubectl --context {cluster.context} get nodes; if the cluster is gone for good, all that is left "
            f"is this profile's folder: rm -r {ctx.paths.root}",
        )
