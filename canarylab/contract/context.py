"""What a stage, a provider or a step of the demonstration works with."""

from __future__ import annotations

import dataclasses
import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canarylab.cancel import Cancel
from canarylab.events import Emit, StageProgress
from canarylab.paths import ProfilePaths
from canarylab.tools.runner import Runner

if TYPE_CHECKING:
    from canarylab.contract.ownership import Ownership
    from canarylab.contract.playbook import Playbook
    from canarylab.contract.provider import Provider
    from canarylab.kube.client import Cluster


@dataclass(frozen=True)
class Consent:
    """What the user allowed by a flag: nothing of it is done unasked."""

    recreate: bool = False
    """Delete a cluster that differs from the playbook, and make a new one."""
    yes: bool = False
    """Go on where a question would be asked."""


@dataclass
class Context:
    """One run: the playbook, the provider under it, and the ways to the outside."""

    playbook: Playbook
    provider: Provider
    emit: Emit
    cancel: Cancel = field(default_factory=Cancel)
    runner: Runner = None  # type: ignore[assignment]
    consent: Consent = field(default_factory=Consent)
    flags: str = ""
    """Those that say which playbook and which cluster, as they were typed."""
    stage: str = ""
    deadline: float = float("inf")
    """A point of time.monotonic() by which the stage at hand has to be done."""

    def __post_init__(self) -> None:
        if self.runner is None:
            self.runner = Runner(self.cancel)

    @property
    def profile(self) -> str:
        """The name of the cluster and of all that belongs to it."""
        return self.playbook.profile

    @functools.cached_property
    def paths(self) -> ProfilePaths:
        """Where the profile's own files are."""
        return ProfilePaths(self.profile)

    @property
    def ownership(self) -> Ownership:
        """Whose cluster it is, as the provider says."""
        return self.provider.ownership

    @property
    def cluster(self) -> Cluster:
        """The client of the cluster's API. Raises NotYetObservableError while there is no cluster."""
        return self.provider.access.cluster(self)

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, never less than a moment, so that it can serve as a timeout."""
        return max(0.1, self.deadline - time.monotonic())

    def patient(self, seconds: float) -> float:
        """A time limit as the playbook's `patience` makes it."""
        return seconds * self.playbook.cluster.patience

    def progress(self, message: str, done: int | None = None, total: int | None = None) -> None:
        """Report what the stage is doing now, `done` of `total` where the amount of work is known."""
        self.emit(StageProgress(self.stage, message, done, total))

    def command(self, words: str) -> str:
        """A command line for the same playbook and cluster, to paste."""
        return f"invoke {words}{self.flags}"

    def for_stage(self, name: str, deadline: float) -> Context:
        """The same run, seen from one stage."""
        return dataclasses.replace(self, stage=name, deadline=deadline)


def api_environment(ctx: Context) -> dict[str, str]:
    """For programs that talk to the cluster. What they learn of its API is kept in the profile's folder."""
    return {**ctx.ownership.environment(), "KUBECACHEDIR": str(ctx.cluster.kubeconfig.parent / "kube-cache")}
