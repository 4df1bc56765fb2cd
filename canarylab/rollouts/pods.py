"""A pod as `kubectl get pods` shows it, with its own words for what is wrong. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from canarylab.kube.objects import Object, container_statuses, dig, pod_trouble
from canarylab.kube.times import epoch


@dataclass(frozen=True)
class PodView:
    """A pod. `ready` is what kubectl shows as READY: native sidecars count, which the plugin leaves out."""

    name: str
    ip: str
    ready: str
    state: str
    """Running, Pending, ContainerCreating, Terminating, ...: kubectl's column STATUS."""
    trouble: str | None
    restarts: int
    created: float | None
    """In seconds since 1970."""
    terminating: bool

    @classmethod
    def of(cls, pod: Object) -> PodView:
        """From a pod as the API returns it."""
        spec, status = pod["spec"], pod.get("status") or {}
        sidecars = [one["name"] for one in spec.get("initContainers", []) if one.get("restartPolicy") == "Always"]
        names = {*sidecars, *(one["name"] for one in spec["containers"])}
        states = container_statuses(pod)
        ready = sum(1 for state in states if state["name"] in names and state.get("ready"))
        terminating = dig(pod, "metadata", "deletionTimestamp") is not None
        return cls(
            name=pod["metadata"]["name"],
            ip=status.get("podIP") or "",
            ready=f"{ready}/{len(names)}",
            state="Terminating" if terminating else _state(pod),
            trouble=pod_trouble(pod),
            restarts=sum(state.get("restartCount", 0) for state in states),
            created=epoch(dig(pod, "metadata", "creationTimestamp")),
            terminating=terminating,
        )

    @property
    def is_ready(self) -> bool:
        """Whether it runs and all its containers are ready."""
        done, _, all_of_them = self.ready.partition("/")
        return self.state == "Running" and done == all_of_them

    @property
    def own_words(self) -> str:
        """Its trouble without its name, beside which it is shown; "" without any."""
        return re.sub(rf"^Pod {re.escape(self.name)}(, |: | )", "", self.trouble or "")


def _state(pod: Object) -> str:
    status = pod.get("status") or {}
    for one in container_statuses(pod):
        reason = dig(one, "state", "waiting", "reason")
        if reason and reason != "PodInitializing":
            return str(reason)
    if any(dig(one, "state", "running") is not None for one in status.get("containerStatuses", ())):
        return "Running"
    return str(status.get("reason") or status.get("phase") or "Pending")
