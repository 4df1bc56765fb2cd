"""The infrastructure of a cluster that is there already: nothing is made but a kubeconfig of the profile's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from canarylab.contract.provider import Finding, Infrastructure
from canarylab.contract.stage import Stage
from canarylab.errors import CanarylabError, UsageError
from canarylab.files import delete
from canarylab.kube import kubeconfig
from canarylab.paths import cache_home
from canarylab.providers.existing import access, connection, doctor, guard, requirements, userconfig
from canarylab.removal import Removal

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec

_KEPT = ("charts", "images")
"""What this provider keeps in the cache: charts and manifests that were fetched, images that were built."""


class ThereAlready(Infrastructure):
    """For any provider of a cluster that a context of the user's kubeconfig leads to."""

    def __init__(self, spec: ClusterSpec) -> None:
        self._spec = spec

    def findings(self, ctx: Context) -> list[Finding]:
        """Whether the cluster is one that a playbook can run on."""
        return doctor.cluster(ctx, self._spec)

    def stages(self) -> Sequence[Stage[Any, Any]]:
        """Raises UsageError without a context, so that no command goes on without one."""
        return (connection.ClusterStage(userconfig.require(self._spec.context)),)


class GuardedInfrastructure(ThereAlready):
    """Asks before it works on a cluster that others rely on, and leaves no trace of a command that only looks."""

    def findings(self, ctx: Context) -> list[Finding]:
        return doctor.findings(ctx, self._spec)

    @contextmanager
    def session(self, ctx: Context, command: str) -> Iterator[None]:
        if command.startswith("tunnel"):
            raise UsageError(
                f"there is nothing for `{command}` to do: {access.NOTE}", remedy="`invoke tunnel status` shows them"
            )
        if command == "up":
            requirements.require(ctx.cluster)
        else:
            _require_answer(ctx)
        guard.require_consent(ctx, command)
        mark = connection.temporary_mark(ctx)
        if command == "up":
            mark.unlink(missing_ok=True)
        else:
            self._refresh(ctx)
        try:
            yield
        finally:
            if mark.exists():
                delete(ctx.paths.root)

    def _refresh(self, ctx: Context) -> None:
        """Helm and the plugin read the profile's own kubeconfig: it says what the user's says now."""
        name, is_temporary = userconfig.require(self._spec.context), not ctx.paths.root.exists()
        if kubeconfig.load(ctx.paths.kubeconfig) != userconfig.single(name):
            connection.write(ctx, userconfig.single(name))
        if is_temporary:
            connection.temporary_mark(ctx).touch()

    def leftovers(self, ctx: Context) -> list[Removal]:
        return [] if connection.temporary_mark(ctx).exists() else super().leftovers(ctx)

    def purge(self, ctx: Context) -> list[Removal]:  # noqa: ARG002 - they are in the cache
        folders = [cache_home() / name for name in _KEPT]
        return [Removal(f"files in {folder}", "removed") for folder in folders if delete(folder)]


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
