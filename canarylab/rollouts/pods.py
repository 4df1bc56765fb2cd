"""A pod as `kubectl get pods` shows it, with its own words for what is wrong. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from canarylab.kube.objects import Object, dig
from canarylab.report.times import epoch
from canarylab.rollouts.view import PodView


@dataclass(frozen=True)
class Pod:
    """`ready` is ready containers of all, `created` seconds since 1970."""

    name: str
    ip: str
    ready: str
    state: str
    """Running, Pending, ContainerCreating, Terminating, ...: kubectl's column STATUS."""
    trouble: str
    restarts: int
    created: float | None

    @classmethod
    def of(cls, seen: PodView, pod: Object) -> Pod:
        status = pod.get("status") or {}
        containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
        return cls(
            name=seen.name,
            ip=status.get("podIP") or "",
            ready=seen.ready,
            state="Terminating" if seen.leaving else _state(pod),
            trouble=_own_words(seen.trouble or "", seen.name),
            restarts=sum(one.get("restartCount", 0) for one in containers),
            created=epoch(dig(pod, "metadata", "creationTimestamp")),
        )

    @property
    def is_ready(self) -> bool:
        done, _, all_of_them = self.ready.partition("/")
        return self.state == "Running" and done == all_of_them

    @property
    def order(self) -> tuple[float, str]:
        """The oldest first, as they were created."""
        return self.created or 0.0, self.name


def _state(pod: Object) -> str:
    status = pod.get("status") or {}
    for one in [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]:
        reason = dig(one, "state", "waiting", "reason")
        if reason and reason != "PodInitializing":
            return str(reason)
    if any(dig(one, "state", "running") is not None for one in status.get("containerStatuses", ())):
        return "Running"
    return str(status.get("reason") or status.get("phase") or "Pending")


def _own_words(trouble: str, name: str) -> str:
    """Without the pod's name, beside which it is shown."""
    return re.sub(rf"^Pod {re.escape(name)}(, |: | )", "", trouble)
