"""Asks the Envoys of the cluster's gateways how many requests they sent to which address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError
from canarylab.kube.client import ApiError, is_served
from canarylab.kube.forward import PodPort
from canarylab.kube.objects import Object, dig
from canarylab.rollouts.routes.envoy import ADMIN_PORT, CLUSTERS, endpoints
from canarylab.watch.traffic import Counted, Key, Reading

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

_ISTIO_GATEWAY = ("networking.istio.io/v1", "Gateway")
_API_GATEWAY = ("gateway.networking.k8s.io/v1", "Gateway")
_API_GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
"""Istio puts it on the pods that it makes for a Gateway of the Kubernetes Gateway API."""
_FIND_AGAIN = 10.0
"""Seconds between two searches for gateways that have come or gone."""
_FORBIDDEN = 403


class Gateways:
    """The gateways' Envoys, each asked over a connection that is kept open. For one thread.

    `namespace` is that of the Rollout: only the Services in it are asked for, where Envoy is new enough to filter them
    (envoyproxy/envoy#43407); a mesh may have thousands.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._path = f"{CLUSTERS}&filter=%5C.{re.escape(namespace)}%5C.svc%5C."
        self._ports: dict[tuple[str, str], PodPort] = {}
        self._found_at = float("-inf")

    def read(self, now: float) -> Reading:
        """What they count at `now`, in seconds of any clock that goes on. What goes wrong, the reading says."""
        try:
            if now - self._found_at >= _FIND_AGAIN:
                self._find()
                self._found_at = now
            if not self._ports:
                return Reading(problem="no gateway sends requests to it: the cluster has none of Istio's")
            counters: dict[Key, Counted] = {}
            for (namespace, pod), port in self._ports.items():
                counters |= dict(_counters(f"{namespace}/{pod}", port.get(self._path)))
        except (CanarylabError, ValueError) as error:
            self._found_at = float("-inf")
            return Reading(problem=f"the gateway's Envoy can't be asked: {_reason(error)}", gateways=self._names())
        return Reading(counters, self._names())

    def close(self) -> None:
        """Close every connection; `read` would open them again."""
        for port in self._ports.values():
            port.close()
        self._ports = {}

    def _names(self) -> tuple[str, ...]:
        return tuple(f"{namespace}/{pod}" for namespace, pod in sorted(self._ports))

    def _find(self) -> None:
        """Open a way to each gateway's pod that is there, close those to pods that are gone."""
        there = {(dig(pod, "metadata", "namespace"), dig(pod, "metadata", "name")) for pod in self._pods()}
        for gone in set(self._ports) - there:
            self._ports.pop(gone).close()
        for new in there - set(self._ports):
            self._ports[new] = PodPort(self._cluster, *new, ADMIN_PORT)

    def _pods(self) -> Iterator[Object]:
        """Those that some Gateway object selects, and that run a proxy as a gateway."""
        for gateway in self._objects(*_ISTIO_GATEWAY):
            if selector := dig(gateway, "spec", "selector"):
                yield from filter(_is_gateway, self._cluster.list("v1", "Pod", None, selector))
        for gateway in self._objects(*_API_GATEWAY):
            meta = gateway["metadata"]
            labels = {_API_GATEWAY_LABEL: meta["name"]}
            yield from filter(_is_gateway, self._cluster.list("v1", "Pod", meta["namespace"], labels))

    def _objects(self, api_version: str, kind: str) -> list[Object]:
        return list(self._cluster.list(api_version, kind)) if is_served(self._cluster, api_version, kind) else []


def _is_gateway(pod: Object) -> bool:
    """Whether a proxy runs in it that isn't some application's sidecar."""
    running = dig(pod, "status", "phase") == "Running" and dig(pod, "metadata", "deletionTimestamp") is None
    return running and any((one.get("args") or ())[:2] == ["proxy", "router"] for one in pod["spec"]["containers"])


def _counters(pod: str, answer: bytes) -> Iterator[tuple[Key, Counted]]:
    for cluster, found in endpoints(json.loads(answer)).items():
        for one in found:
            yield (pod, cluster, one.address), Counted(one.address, one.requests, one.errors)


def _reason(error: Exception) -> str:
    if isinstance(error, ApiError) and error.code == _FORBIDDEN:
        return f"you aren't allowed to ({error.what})"
    return error.what if isinstance(error, CanarylabError) else str(error)
