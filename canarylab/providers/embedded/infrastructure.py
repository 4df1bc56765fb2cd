"""What this host must be for the embedded cluster, its stages, and what is left of them in the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from canarylab import disks
from canarylab.contract.provider import Finding, Infrastructure
from canarylab.contract.stage import Stage
from canarylab.disks import Fault
from canarylab.files import delete
from canarylab.lock import is_held
from canarylab.paths import cache_home, state_home
from canarylab.providers.embedded import doctor, unresponsive_node
from canarylab.providers.embedded.machine import STAMP
from canarylab.providers.embedded.programs.built import built
from canarylab.providers.embedded.stages import ClusterStage, MachineStage, ProgramsStage
from canarylab.removal import Removal

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.providers.embedded import EmbeddedProvider


class HostInfrastructure(Infrastructure):
    """Programs in the cache of all profiles; machine and cluster on this host."""

    def __init__(self, provider: EmbeddedProvider) -> None:
        self._provider = provider

    def findings(self, ctx: Context) -> list[Finding]:
        return doctor.findings(ctx, built(), self._provider.spec)

    def faults(self, ctx: Context) -> list[Fault]:
        return disks.faults([ctx.paths.root])

    def silence(self, ctx: Context) -> list[str]:
        return [*map(str, disks.faults()), *unresponsive_node.found(self._provider.machine(ctx))]

    def require_host(self, ctx: Context) -> None:
        """As every provider; then install what it lacks."""
        super().require_host(ctx)
        doctor.install_packages(ctx, doctor.builds(ctx, built()))

    def stages(self) -> Sequence[Stage[Any, Any]]:
        return (
            ProgramsStage(self._provider),
            MachineStage(self._provider, needs=["programs"]),
            ClusterStage(self._provider, needs=["machine"]),
        )

    def leftovers(self, ctx: Context) -> list[Removal]:
        removed, reason = super().leftovers(ctx), "the next `up` is faster; `teardown --purge` removes them"
        return [*removed, Removal(f"programs in {cache_home()}", "left", reason)] if removed else []

    def purge(self, ctx: Context) -> list[Removal]:
        if users := sorted(path.parent.name for path in state_home().glob(f"*/{STAMP}")):
            return [Removal(f"programs in {cache_home()}", "left", f"used by {', '.join(users)}")]
        if is_held(built().folder.with_name("lock")):
            return [Removal(f"programs in {cache_home()}", "left", "another run builds them at this moment")]
        if not cache_home().exists():
            return []
        ctx.runner.run(["chmod", "-R", "u+w", str(cache_home())], timeout=300)  # Go writes its module cache read-only
        delete(cache_home())
        return [Removal(f"programs and caches in {cache_home()}", "removed")]
