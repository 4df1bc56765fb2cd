"""Any conformant cluster that is there already: kind, k3d, a cloud's. It is used by a context that the user names.

Nothing of the cluster is made or deleted but what a playbook puts on it, and that carries our label.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from canarylab.contract.ownership import Ownership
from canarylab.contract.provider import Finding, Provider, RouterPlugin, TunnelStatus
from canarylab.contract.stage import Stage
from canarylab.errors import CanarylabError, UsageError
from canarylab.files import delete
from canarylab.images.image import SOURCE_LABEL, Image, Wanted
from canarylab.kube import kubeconfig
from canarylab.ownership.foreign import ClashError
from canarylab.ownership.policy import GuestCluster
from canarylab.paths import ProfilePaths, cache_home
from canarylab.providers.existing import balancer, connection, doctor, guard, pushing, requirements, userconfig
from canarylab.providers.existing.registry import LOCAL, Address, Registry
from canarylab.removal import Removal

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec
    from canarylab.kube.client import Cluster

_KEPT = ("charts", "images")
"""What this provider keeps in the cache: charts and manifests that were fetched, images that were built."""


class ExistingProvider(Provider):
    """The profile's name is the value of our label and the name of the state folder; the cluster keeps its own."""

    name: ClassVar[str] = "existing"
    ownership: ClassVar[Ownership] = GuestCluster()

    def __init__(self, spec: ClusterSpec) -> None:
        super().__init__(spec)
        self._cluster: Cluster | None = None
        self._connecting = threading.Lock()
        self._registry: Registry | None = None
        self.is_passing = False
        """Whether the profile's folder was made for this command alone, and goes with it."""

    @classmethod
    def fits(cls, system: str) -> bool:  # noqa: ARG003 - only where a playbook or a flag asks for it
        return False

    @property
    def context(self) -> str:
        """The context that the user named. Raises UsageError where none was, or there is none of that name."""
        return userconfig.require(self.spec.context)

    def stages(self) -> Sequence[Stage[Any, Any]]:
        """Raises UsageError without a context, so that no command goes on without one."""
        userconfig.require(self.spec.context)
        return (connection.ClusterStage(self),)

    def findings(self, ctx: Context) -> list[Finding]:
        return doctor.findings(ctx, self)

    @contextmanager
    def session(self, ctx: Context, command: str) -> Iterator[None]:
        if command.startswith("tunnel"):
            raise UsageError(
                f"there is nothing for `{command}` to do: {balancer.NOTE}", remedy="`invoke tunnel status` shows them"
            )
        cluster = self.cluster(ctx)
        if command == "up":
            requirements.require(cluster)
        else:
            _require_answer(ctx, cluster)
        guard.require_consent(ctx, command)
        if command != "up":
            self._refresh(ctx)
        try:
            yield
        finally:
            if self.is_passing:
                delete(ctx.paths.root)

    def _refresh(self, ctx: Context) -> None:
        """Helm and the plugin read the profile's own kubeconfig: it says what the user's says now."""
        file = ctx.paths.kubeconfig
        self.is_passing = not ctx.paths.root.exists()
        if kubeconfig.load(file) != userconfig.single(self.context):
            connection.write(ctx, userconfig.single(self.context))

    def cluster(self, ctx: Context) -> Cluster:
        from canarylab.kube.client import Cluster

        with self._connecting:  # stages ask side by side, and a login must not be asked for twice
            if self._cluster is None:
                config = userconfig.single(self.context)
                self._cluster = Cluster(ctx.paths.kubeconfig, self.context, config=config, by_proxy=True)
            return self._cluster

    def check_route(self, ctx: Context, address: str) -> None:
        balancer.check_route(ctx, address)

    # -- charts, programs ---------------------------------------------------------------------------------------------

    def chart(self, ctx: Context, reference: str, version: str) -> Path:
        from canarylab.providers import published

        return published.chart(ctx, reference, version)

    def rollouts_manifest(self, ctx: Context, version: str) -> tuple[Path, str]:
        from canarylab.providers import published

        return published.rollouts_manifest(ctx, version)

    def gateway_api_manifest(self, ctx: Context, version: str) -> Path:
        from canarylab.providers import published

        return published.gateway_api_manifest(ctx, version)

    def router_plugin(self, ctx: Context, name: str, version: str) -> RouterPlugin:
        from canarylab.providers import published_plugins

        return published_plugins.router_plugin(ctx, name, version)

    def programs(self, ctx: Context) -> Path | None:  # noqa: ARG002 - the contract's
        """Those on the PATH; where one is missing, all that the embedded provider has built, if it has."""
        if all(shutil.which(program) for program in doctor.CLIENTS):
            return None
        return doctor.built_programs()

    # -- images -------------------------------------------------------------------------------------------------------

    def registry(self, ctx: Context) -> Registry:
        """The playbook's. Raises UsageError where it names none."""
        if self._registry is None:
            if not self.spec.registry:
                raise UsageError(
                    "the playbook names no registry for the images that are built here",
                    why="a cluster that isn't ours gets its images by name, from a registry that its nodes can reach",
                    remedy="under `cluster`, add `registry: HOST/PATH`, and `skopeo login HOST` if it asks who you are",
                )
            self._registry = Registry(Address.parse(self.spec.registry), ctx.runner)
        return self._registry

    def image_reference(self, reference: str) -> str:
        if not reference.startswith(LOCAL) or not self.spec.registry:
            return reference
        return Address.parse(self.spec.registry).reference(reference)

    def architectures(self, ctx: Context) -> tuple[str, ...]:
        return requirements.architectures(self.cluster(ctx))

    def images(self, ctx: Context) -> list[Image]:
        """Those of the playbook's that its registry has.

        Raises UsageError where there are some and no registry, ClashError where it has another's by such a name.
        """
        wanted = (stage.options.image for stage in ctx.playbook.stages if stage.kind == "image")
        references = dict.fromkeys(map(self.image_reference, wanted))
        return [image for reference in references for image in self.registry(ctx).images(reference, SOURCE_LABEL)]

    def deliver_image(self, ctx: Context, wanted: Wanted) -> None:
        pushing.push(ctx, self.registry(ctx), wanted, self.architectures(ctx))

    def remove_image(self, ctx: Context, reference: str) -> Literal["removed", "absent"] | Removal:
        try:
            if not self.spec.registry or not self.registry(ctx).images(reference, SOURCE_LABEL):
                return "absent"
        except ClashError as error:
            return Removal(f"image {reference}", "left", error.why or error.what)
        refused = self.registry(ctx).delete(reference)
        return Removal(f"image {reference}", "left", refused) if refused else "removed"

    # -- tunnel -------------------------------------------------------------------------------------------------------

    def tunnel_start(self, ctx: Context) -> None:
        """Nothing to start: `tunnel_status` says that it runs as soon as the cluster answers."""

    def tunnel_stop(self, ctx: Context) -> list[Removal]:  # noqa: ARG002 - nothing runs
        return []

    def tunnel_status(self, ctx: Context) -> TunnelStatus:
        return balancer.status(ctx)

    # -- removal ------------------------------------------------------------------------------------------------------

    def leftovers(self, ctx: Context) -> list[Removal]:
        root = ProfilePaths(ctx.profile).root
        if self.is_passing or not delete(root):
            return []
        return [Removal(f"files in {root}", "removed")]

    def purge(self, ctx: Context) -> list[Removal]:  # noqa: ARG002
        folders = [cache_home() / name for name in _KEPT]
        return [Removal(f"files in {folder}", "removed") for folder in folders if delete(folder)]


def _require_answer(ctx: Context, cluster: Cluster) -> None:
    """Raise where the cluster doesn't answer, rather than once for each stage."""
    if reason := cluster.ready():
        raise CanarylabError(
            reason,
            where=f"context {cluster.context}",
            why="nothing was changed",
            remedy=f"kubectl --context {cluster.context} get nodes; if the cluster is gone for good, all that is left "
            f"is this profile's folder: rm -r {ctx.paths.root}",
        )
