"""The contract of a provider: it supplies the cluster that a playbook's stages run on.

A provider is one module or folder in `canarylab/providers/` with one subclass of Provider, which
`canarylab.kind_discovery` finds by itself. It is composed of four parts: the infrastructure, the sources of what is
installed, the images, and the access to the cluster. `canarylab.contract.absent` has parts for what one doesn't have.
"""

from __future__ import annotations

import functools
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from canarylab.contract.context import Context
from canarylab.contract.ownership import Ownership
from canarylab.contract.playbook import ClusterSpec
from canarylab.contract.stage import AnyStage
from canarylab.disks import Fault
from canarylab.errors import ExpectationError, MachineError, NotYetObservableError
from canarylab.files import delete
from canarylab.images.image import Image, Wanted
from canarylab.kube.client import Cluster
from canarylab.kube.objects import load_balancer_address
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
    permanent: bool = False
    """Whether the first of the problems stays until somebody acts, so that nobody should wait for it to go."""


@dataclass(frozen=True)
class RouterPlugin:
    """A traffic-router plugin of Argo Rollouts, as configured in its controller (ConfigMap argo-rollouts-config)."""

    location: str
    """Where the controller takes it from when it starts: an https:// address, or file:// in its own image."""
    sha256: str = ""
    """What it must be; "" for one in the image, which the controller doesn't check."""
    note: str = ""
    """What a user should know of it, such as that it stands in for another."""


class Infrastructure(ABC):
    """What is there before a playbook's own stages, and what stays when they are gone."""

    @abstractmethod
    def findings(self, ctx: Context) -> list[Finding]:
        """Can this machine do it? Reads only."""

    def require_host(self, ctx: Context) -> None:
        """Raise MachineError, before anything is changed, where this machine can't do it."""
        if problems := [finding for finding in self.findings(ctx) if finding.fatal and not finding.ok]:
            raise MachineError(
                "; ".join(f"{finding.subject}: {finding.seen}" for finding in problems),
                remedy="; ".join(dict.fromkeys(finding.remedy for finding in problems if finding.remedy)),
            )

    def faults(self, ctx: Context) -> list[Fault]:  # noqa: ARG002 - where the cluster's disk is elsewhere
        """The filesystems that the cluster writes to, and can't now. Reads only, and is asked every few seconds.

        While there is one, a command that brings up or demonstrates is ended: nothing would come of waiting.
        """
        return []

    def silence(self, ctx: Context) -> list[str]:  # noqa: ARG002 - where the cluster is elsewhere
        """What is found below a cluster that doesn't answer, each in words: of disk, memory and the node's processes.

        Reads only, needs no answer of the cluster and takes a second at most; [] where nothing is found.
        """
        return []

    @contextmanager
    def session(self, ctx: Context, command: str) -> Iterator[None]:  # noqa: ARG002 - for those that need it
        """Around a command that changes something: up, demo, teardown, tunnel.

        What has to be asked or made sure of before the first change comes first; what it needs only meanwhile, such
        as a password that is kept, ends with it.
        """
        yield

    @abstractmethod
    def stages(self) -> Sequence[AnyStage]:
        """In order; the last one is named `cluster`."""

    def leftovers(self, ctx: Context) -> list[Removal]:
        """Remove what may be left of the profile once its stages are gone, and say what was found."""
        return [Removal(f"files in {ctx.paths.root}", "removed")] if delete(ctx.paths.root) else []

    def purge(self, ctx: Context) -> list[Removal]:  # noqa: ARG002 - for those that need it
        """Remove what all profiles share, such as the program cache."""
        return []


class Sources(ABC):
    """Where charts, manifests, plugins and programs come from.

    Each method raises UsageError for what isn't published or pinned, StageError for what can't be fetched.
    """

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

    def programs(self, ctx: Context) -> Path | None:  # noqa: ARG002 - for those that need it
        """A folder with kubectl, helm and the Argo plugin where the provider brings its own; None: from the PATH."""
        return None


class Images(ABC):
    """How images that are built on this machine come into the cluster."""

    needs: tuple[str, ...] = ("cluster",)
    """The infrastructure stages that must be up before an image can be built and handed over."""

    @abstractmethod
    def ours(self, ctx: Context) -> list[Image]:
        """The images in the cluster that carry this tool's label."""

    def named(self, ctx: Context, reference: str) -> list[Image]:
        """Those of them that have this name, one for each architecture. Where reading costs, no other is read."""
        return [image for image in self.ours(ctx) if image.reference == reference]

    @abstractmethod
    def deliver(self, ctx: Context, wanted: Wanted) -> None:
        """Build it for every architecture of the cluster, read what was built, and have the cluster use it.

        An older image of the same name is replaced. Raises StageError for a wrong architecture.
        """

    @abstractmethod
    def remove(self, ctx: Context, reference: str) -> Literal["removed", "absent"] | Removal:
        """Delete it; a Removal says why it is left where whoever keeps it, such as a registry, doesn't delete."""

    def architectures(self, ctx: Context) -> tuple[str, ...]:
        """Of the cluster's nodes, sorted, as Go names them: amd64, arm64."""
        nodes = ctx.cluster.list("v1", "Node")
        return tuple(sorted({node["status"]["nodeInfo"]["architecture"] for node in nodes}))

    def reference(self, reference: str) -> str:
        """What an image that a playbook calls `localhost/...` is called in the cluster, where a registry has it."""
        return reference


class Access(ABC):
    """The ways to the cluster: to its API, and to its LoadBalancer Services."""

    def __init__(self) -> None:
        self._client: Cluster | None = None
        self._connecting = threading.Lock()

    def cluster(self, ctx: Context) -> Cluster:
        """The client of the API, connected once. Raises NotYetObservableError while there is no cluster."""
        with self._connecting:  # stages ask side by side, and a login must not be asked for twice
            if self._client is None:
                self._client = self.connect(ctx)
            return self._client

    def connect(self, ctx: Context) -> Cluster:
        """A new client: of the profile's own kubeconfig, as the stage `cluster` has written it."""
        if not ctx.paths.kubeconfig.exists():
            raise NotYetObservableError("there is no cluster yet", remedy=ctx.command("up"))
        return Cluster(ctx.paths.kubeconfig, ctx.profile)

    def forget_client(self) -> None:
        """The cluster has another address or other keys since."""
        self._client = None

    def endpoint(self, ctx: Context, service: dict[str, Any], port: int) -> tuple[str, int] | None:  # noqa: ARG002
        """Address and port at which a port of a LoadBalancer Service answers; None while it has no address."""
        address = load_balancer_address(service)
        return (address, port) if address else None

    def reach(self, ctx: Context, service: dict[str, Any], port: int) -> tuple[str, int]:
        """Address and port for requests to a port of a LoadBalancer Service, which lead into this cluster.

        Raises ExpectationError where the Service has no address, CanarylabError where it leads elsewhere.
        """
        endpoint = self.endpoint(ctx, service, port)
        if endpoint is None:
            why, remedy = ctx.ownership.without_address(ctx)
            where = f"Service {service['metadata']['namespace']}/{service['metadata']['name']}"
            raise ExpectationError("the gateway has no address", where=where, why=why, remedy=remedy)
        self.check_route(ctx, endpoint[0])
        return endpoint

    @abstractmethod
    def check_route(self, ctx: Context, address: str) -> None:
        """Raise unless a request to `address` would reach this cluster and nothing else. Asked before the first one."""

    @abstractmethod
    def tunnel_start(self, ctx: Context) -> None:
        """Start it, or make sure that it runs. Raises CanarylabError where it can't."""

    @abstractmethod
    def tunnel_stop(self, ctx: Context) -> list[Removal]:
        """End it; the receipt of what was stopped, empty where nothing ran."""

    @abstractmethod
    def tunnel_status(self, ctx: Context) -> TunnelStatus:
        """Whether it runs, and the addresses that it serves. Reads only."""


@dataclass(frozen=True)
class BuiltPrograms:
    """What a provider has built of the programs that its clusters run on. `platform` is such as linux/amd64."""

    platform: str
    folder: Path
    complete: bool
    size: int
    """In bytes; 0 where it isn't complete."""
    versions: dict[str, str]
    images: dict[str, bool]
    """The images of the playbooks' demonstrations, and whether each is built."""


@dataclass(frozen=True)
class PackFile:
    """A file with all of that. `size` and `unpacked` in bytes."""

    file: Path
    sha256: str
    size: int
    unpacked: int
    platform: str
    changed: bool
    """Whether anything was written: the file, or what was missing here of its contents."""


class Packs(ABC):
    """What is built once for all clusters of a machine, and can be carried to others in one file."""

    @abstractmethod
    def built(self, ctx: Context) -> BuiltPrograms:
        """What there is of it on this machine. Reads only."""

    @abstractmethod
    def pack(self, ctx: Context, file: Path, platform: str | None) -> PackFile:
        """Write a file that must not exist yet; `platform` None means this machine's.

        Two of one build are the same bytes. Raises UsageError where there is nothing to pack.
        """

    @abstractmethod
    def unpack(self, ctx: Context, file: Path) -> PackFile:
        """Check all of the file, then put what is missing here into its place, in one step.

        Raises CanarylabError with what is wrong with it, and leaves nothing.
        """


class Provider(ABC):
    """Subclasses set `name` and choose their parts; they keep nothing that can't be read again from the machine.

    A part is made when it is first asked for, so that naming the providers stays quick.
    """

    name: ClassVar[str]
    ownership: ClassVar[Ownership] = Ownership()
    """Whose cluster it is, and what follows from that. By default it is this tool's own."""

    packs: Packs | None = None
    """For one that builds its programs itself."""

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec

    @classmethod
    def fits(cls, system: str) -> bool:  # noqa: ARG003 - by default only where a playbook or a flag asks for it
        """Whether it is the default on this `platform.system()`."""
        return False

    @property
    @abstractmethod
    def infrastructure(self) -> Infrastructure:
        """What is there before the playbook's own stages."""

    @property
    @abstractmethod
    def access(self) -> Access:
        """The ways to the cluster."""

    @functools.cached_property
    def sources(self) -> Sources:
        """By default none."""
        from canarylab.contract.absent import NoSources

        return NoSources()

    @functools.cached_property
    def images(self) -> Images:
        """By default none."""
        from canarylab.contract.absent import NoImages

        return NoImages()
