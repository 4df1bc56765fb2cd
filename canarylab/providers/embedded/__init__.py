"""A real Kubernetes on a plain Linux host: no virtual machine, no container engine, no image registry.

The node is a machine made of Linux namespaces; docs/embedded.md explains how it works.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from canarylab.contract.provider import Provider
from canarylab.errors import StageError
from canarylab.lock import queued
from canarylab.paths import cache_home, state_home
from canarylab.providers.embedded import ceiling
from canarylab.providers.embedded.access import NetworkAccess
from canarylab.providers.embedded.infrastructure import HostInfrastructure
from canarylab.providers.embedded.machine import Machine
from canarylab.providers.embedded.machine_images import MachineImages
from canarylab.providers.embedded.network import Network, Ranges, choose, reserved
from canarylab.providers.embedded.packs.programs import ProgramPacks
from canarylab.providers.embedded.programs.built import built
from canarylab.providers.embedded.sources import PinnedSources
from canarylab.tools import ip
from canarylab.tools.supervisord import Supervisor

if TYPE_CHECKING:
    from canarylab.contract.context import Context


class EmbeddedProvider(Provider):
    """The default on Linux. Its parts share the profile's network, supervisor and machine."""

    name: ClassVar[str] = "embedded"
    _ranges: Ranges | None = None
    # Parts are made from the provider when they are first asked for.
    infrastructure = cached_property(HostInfrastructure)
    sources = PinnedSources()
    images = cached_property(MachineImages)
    packs = ProgramPacks()
    access = cached_property(NetworkAccess)

    @classmethod
    def fits(cls, system: str) -> bool:
        return system == "Linux"

    # -- what the parts share -----------------------------------------------------------------------------------------

    def network(self, ctx: Context) -> Network:
        """The profile's network, with the ranges that it keeps since its first start."""
        if self._ranges is None:
            self._ranges = self._saved_ranges(ctx)
        return Network(ctx.profile, self._ranges, ctx.runner, internet=self.spec.internet)

    @staticmethod
    def _saved_ranges(ctx: Context) -> Ranges:
        if ranges := Ranges.load(ctx.paths.root / "network.json"):
            return ranges
        others = (path for path in state_home().glob("*") if path.is_dir() and path != ctx.paths.root)
        return choose([*ip.routed(ctx.runner), *reserved(others)])

    def keep_ranges(self, ctx: Context) -> None:
        """Claim the ranges and the profile's name for this profile's folder, as `up` does before its first change."""
        self.require_owner(ctx)
        ctx.paths.create()
        with queued(cache_home() / "ranges.lock", ctx.cancel, lambda: None):
            self._ranges = self._saved_ranges(ctx)  # anew: another profile may have taken them meanwhile
            self._ranges.save(ctx.paths.root / "network.json")
        owner = _owner(ctx.profile)
        owner.parent.mkdir(exist_ok=True)
        owner.write_text(str(ctx.paths.root))

    def require_owner(self, ctx: Context) -> None:
        """Raise where a profile of this name runs from another home: namespace, link and groups are named after it."""
        owner = _owner(ctx.profile)
        if owner.exists() and owner.read_text() not in ("", str(ctx.paths.root)):
            raise StageError(
                f"a profile {ctx.profile} runs on this host already, from {owner.read_text()}",
                where=str(owner),
                remedy="work as the user it belongs to, or give this one another name with --profile",
            )

    def disown(self, ctx: Context) -> None:
        """Give the profile's name free, now that nothing of it is left on the host."""
        _owner(ctx.profile).unlink(missing_ok=True)
        with suppress(OSError):  # others are in it
            _owner(ctx.profile).parent.rmdir()

    def supervisor(self, ctx: Context) -> Supervisor:
        """The profile's supervisord, running or not."""
        return Supervisor(ctx.profile, ctx.paths.root, ctx.runner)

    def machine(self, ctx: Context) -> Machine:
        """The profile's machine, running or not."""
        return Machine(ctx, built(), self.network(ctx), self.supervisor(ctx), ceiling.asked(self.spec))


def _owner(profile: str) -> Path:
    """Says which folder a running profile belongs to; gone after a reboot, as the profile's processes are."""
    return Path("/run/canarylab") / profile
