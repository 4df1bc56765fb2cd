"""What this machine must be for minikube, the profile's virtual machine, and what is left of them in the end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from canarylab import disks
from canarylab.contract.provider import Finding, Infrastructure
from canarylab.contract.stage import Stage
from canarylab.disks import Fault
from canarylab.files import delete
from canarylab.lock import is_held
from canarylab.paths import cache_home
from canarylab.providers.embedded.programs.built import built
from canarylab.providers.minikube import doctor, leftover_processes, sudo, vm
from canarylab.providers.minikube.cluster import ClusterStage
from canarylab.removal import Removal

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec

_CACHES = ("charts", "go", "images")
"""What this provider keeps for all profiles below the cache's folder."""


class VirtualMachine(Infrastructure):
    """One stage: minikube makes machine and cluster in one."""

    def __init__(self, spec: ClusterSpec) -> None:
        self._spec = spec

    def findings(self, ctx: Context) -> list[Finding]:
        return doctor.findings(ctx, self._spec)

    def faults(self, ctx: Context) -> list[Fault]:  # noqa: ARG002 - the machines of all profiles lie there
        """The machine's disk is a file, which grows."""
        return disks.faults([vm.home()])

    def silence(self, ctx: Context) -> list[str]:  # noqa: ARG002
        return [str(fault) for fault in disks.faults([vm.home(), *disks.homes()])]

    session = staticmethod(sudo.session)

    def stages(self) -> Sequence[Stage[Any, Any]]:
        return (ClusterStage(self._spec),)

    def leftovers(self, ctx: Context) -> list[Removal]:
        """What the tunnel left, forgotten machines, and the profile's folder."""
        removals = [*ctx.provider.access.tunnel_stop(ctx), *leftover_processes.end_orphans(ctx)]
        if delete(ctx.paths.root):
            removals.append(Removal(f"files in {ctx.paths.root}", "removed"))
        if removals:
            removals += _kept()
        return removals

    def purge(self, ctx: Context) -> list[Removal]:
        """What this tool keeps for all profiles; minikube's own cache is the user's."""
        found = [cache_home() / name for name in _CACHES if (cache_home() / name).exists()]
        if not found:
            return []
        if is_held(built().folder.with_name("lock")):
            return [Removal(f"caches in {cache_home()}", "left", "another run works with them at this moment")]
        for folder in found:
            ctx.runner.run(["chmod", "-R", "u+w", str(folder)], timeout=300)  # Go writes its module cache read-only
            delete(folder)
        with suppress(OSError):  # the embedded provider's programs are in it
            cache_home().rmdir()
        return [Removal(f"{', '.join(folder.name for folder in found)} in {cache_home()}", "removed")]


def _kept() -> list[Removal]:
    ours, downloads = cache_home(), vm.home() / "cache"
    faster = "the next `up` is faster; `teardown --purge` removes them"
    theirs = "minikube's own, for all its profiles; `minikube delete --all --purge` removes it"
    known = ((ours, "charts, images and caches", faster), (downloads, "downloads", theirs))
    return [Removal(f"{what} in {folder}", "left", reason) for folder, what, reason in known if folder.exists()]
