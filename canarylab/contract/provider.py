"""The contract of a provider: it supplies the cluster that a playbook's stages run on.

A provider is one module or folder here with one subclass of Provider; `canarylab.discovery` finds it by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from canarylab.contract.ownership import Ownership
from canarylab.errors import MachineError
from canarylab.kube.objects import load_balancer_address

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec
    from canarylab.contract.stage import Stage
    from canarylab.images.image import Image, Wanted
    from canarylab.kube.client import Cluster
    from canarylab.removal import Removal


@dataclass(frozen=True)
class Finding:
    """One thing that `doctor` looked at. `ok` False and `fatal` True: `up` won't start. `remedy` can be pasted."""

    subject: str
    ok: bool
    seen: str
    remedy: str = ""
    fatal: bool = True
    fix: tuple[str, ...] = ()
    """The command that `doctor --fix` runs; () where there is none that is safe."""
    needs_root: bool = False
    """Whether that command is for sudo: it is shown, and asked for once, before it is run."""


@dataclass(frozen=True)
class TunnelStatus:
    """The way from this machine to LoadBalancer Services. `addresses` maps namespace/name to what it answers at."""

    running: bool
    pid: int | None
    route: str
    addresses: dict[str, str]
    problems: tuple[str, ...] = ()
    note: str = ""
    """What a user should know of it although it works, such as that it is a way around."""


@dataclass(frozen=True)
class RouterPlugin:
    """A traffic-router plugin of Argo Rollouts, as its controller is told of it (ConfigMap argo-rollouts-config)."""

    location: str
    """Where the controller takes it from when it starts: an https:// address, or file:// in its own image."""
    sha256: str = ""
    """What it must be; "" for one in the image, which the controller doesn't check."""
    note: str = ""
    """What a user should know of it, such as that it stands in for another."""


class Provider(ABC):
    """Subclasses set `name` and implement the rest; they keep nothing that can't be read again from the machine."""

    name: ClassVar[str]
    ownership: ClassVar[Ownership] = Ownership()
    """Whose cluster it is, and what follows from that. By default it is this tool's own."""
    image_needs: ClassVar[tuple[str, ...]] = ("cluster",)
    """The infrastructure stages that must be up before an image can be built and handed over."""

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec

    @classmethod
    @abstractmethod
    def fits(cls, system: str) -> bool:
        """Whether it is the default on this `platform.system()`."""

    @abstractmethod
    def findings(self, ctx: Context) -> list[Finding]:
        """Can this machine do it? Reads only."""

    def require_host(self, ctx: Context) -> None:
        """Raise MachineError, before anything is changed, where this machine can't do it."""
        problems = [finding for finding in self.findings(ctx) if finding.fatal and not finding.ok]
        if problems:
            raise MachineError(
                "; ".join(f"{finding.subject}: {finding.seen}" for finding in problems),
                remedy="; ".join(finding.remedy for finding in problems if finding.remedy),
            )

    @contextmanager
    def session(self, ctx: Context, command: str) -> Iterator[None]:  # noqa: ARG002 - for those that need it
        """Around a command that changes something: up, demo, teardown, tunnel.

        What has to be asked or made sure of before the first change comes first; what it needs only meanwhile, such
        as a password that is kept, ends with it.
        """
        yield

    @abstractmethod
    def stages(self) -> Sequence[Stage[Any, Any]]:
        """The infrastructure, in order; the last one is named `cluster`."""

    @abstractmethod
    def cluster(self, ctx: Context) -> Cluster:
        """The client of the API. Raises NotYetObservableError while there is no cluster."""

    @abstractmethod
    def chart(self, ctx: Context, reference: str, version: str) -> Path:
        """The packaged chart, from its published package or pinned module, kept in the cache."""

    @abstractmethod
    def rollouts_manifest(self, ctx: Context, version: str) -> tuple[Path, str]:
        """Argo Rollouts' own install manifest of that version as a JSON list, and the controller's image for it."""

    @abstractmethod
    def gateway_api_manifest(self, ctx: Context, version: str) -> Path:
        """The Gateway API's definitions of that version, its standard channel, as a JSON list."""

    @abstractmethod
    def router_plugin(self, ctx: Context, name: str, version: str) -> RouterPlugin:
        """Where Argo's controller gets that traffic-router plugin, for the architecture of the cluster's nodes."""

    def endpoint(self, ctx: Context, service: dict[str, Any], port: int) -> tuple[str, int] | None:  # noqa: ARG002
        """Address and port at which a port of a LoadBalancer Service answers; None while it has no address."""
        address = load_balancer_address(service)
        return (address, port) if address else None

    @abstractmethod
    def check_route(self, ctx: Context, address: str) -> None:
        """Raise unless a request to `address` would reach this cluster and nothing else. Asked before the first one."""

    @abstractmethod
    def images(self, ctx: Context) -> list[Image]:
        """The images in the cluster that carry this tool's label."""

    @abstractmethod
    def deliver_image(self, ctx: Context, wanted: Wanted) -> None:
        """Build it for every architecture of the cluster, read what was built, and have the cluster use it.

        An older image of the same name is replaced. Raises StageError for a wrong architecture.
        """

    @abstractmethod
    def remove_image(self, ctx: Context, reference: str) -> Literal["removed", "absent"] | Removal:
        """Delete it; a Removal says why it is left where whoever keeps it, such as a registry, doesn't delete."""

    @abstractmethod
    def architectures(self, ctx: Context) -> tuple[str, ...]:
        """Of the cluster's nodes, sorted, as Go names them: amd64, arm64."""

    def image_reference(self, reference: str) -> str:
        """What an image that a playbook calls `localhost/...` is called in the cluster, where a registry has it."""
        return reference

    @abstractmethod
    def tunnel_start(self, ctx: Context) -> None: ...

    @abstractmethod
    def tunnel_stop(self, ctx: Context) -> list[Removal]: ...

    @abstractmethod
    def tunnel_status(self, ctx: Context) -> TunnelStatus: ...

    @abstractmethod
    def programs(self, ctx: Context) -> Path | None:
        """A folder with kubectl, helm and the Argo plugin where the provider brings its own; else None."""

    @abstractmethod
    def leftovers(self, ctx: Context) -> list[Removal]:
        """Remove what may be left of the profile once its stages are gone, and say what was found."""

    @abstractmethod
    def purge(self, ctx: Context) -> list[Removal]:
        """Remove what all profiles share, such as the program cache."""
