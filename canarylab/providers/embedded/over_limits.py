"""Which pods went over what they may take: what the kubelet says ended, and what the kernel counts of processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from canarylab.kube.objects import condition, listed

_OUT_OF_MEMORY = "OOMKilled"
_EVICTED = "Evicted"
_NEARLY = 0.9
"""Of the processes that a pod may have: one that forks without end loses some all the time."""
_PRESSURES = ("MemoryPressure", "PIDPressure", "DiskPressure")
"""Conditions of a node (kubelet: eviction manager) under which it takes fewer pods or none."""


def overran(
    node: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], tasks: Mapping[str, tuple[int, int]]
) -> list[str]:
    """In words, each pod that was ended for that or is at its limit, and what the node says of itself.

    `tasks` has how many processes and threads a pod has and may have, by its uid.
    """
    found = [said for pod in pods for said in _pod(pod, tasks)]
    pressures = [name for name in _PRESSURES if condition(dict(node), name).get("status") == "True"]
    return [*found, *(f"the node has {name}, and takes no pods without requests meanwhile" for name in pressures)]


def _pod(pod: Mapping[str, Any], tasks: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    meta, status = pod["metadata"], pod.get("status", {})
    name = f"Pod {meta['namespace']}/{meta['name']}"
    if status.get("reason") == _EVICTED:
        yield f"{name} was evicted: {status.get('message', 'the node had too little of something')}"
    for container in [*listed(pod, "status", "initContainerStatuses"), *listed(pod, "status", "containerStatuses")]:
        ended = [(container.get(when) or {}).get("terminated") or {} for when in ("state", "lastState")]
        if last := next((each for each in ended if each.get("reason") == _OUT_OF_MEMORY), None):
            again = f", restarted {container['restartCount']} times" if container.get("restartCount") else ""
            yield f"{name}: container {container['name']} was killed for memory at {last.get('finishedAt')}{again}"
    has, may = tasks.get(str(meta.get("uid")), (0, 0))
    if may and has >= may * _NEARLY:
        yield f"{name} has {has} processes and threads of the {may} that it may have"
