"""Which kinds a cluster has, and how each is reached."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canarylab.errors import NotYetObservableError
from canarylab.kube.connection import Connection


class UnknownKindError(NotYetObservableError):
    """The cluster has no such kind: its CustomResourceDefinition isn't there (yet)."""


@dataclass(frozen=True)
class Resource:
    """How a kind is reached: its plural name, and whether it lives in namespaces."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The path in the API of the kind, of all its objects in a namespace, or of one object."""
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        parts = [root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [self.plural, *filter(None, (name, subresource))]
        return "/".join(parts)


class Discovery(Connection):
    """A connection that knows its cluster's kinds; each group and version is asked for them once."""

    def __init__(
        self, kubeconfig: Path, context: str, *, config: Mapping[str, Any] | None = None, by_proxy: bool = False
    ) -> None:
        super().__init__(kubeconfig, context, config=config, by_proxy=by_proxy)
        self._resources: dict[tuple[str, str], Resource] = {}
        self._lock = threading.Lock()

    def version(self) -> tuple[int, int]:
        """Kubernetes' version, major and minor."""
        found = self._request("GET", "/version") or {}
        return int(found["major"]), int("".join(filter(str.isdigit, found["minor"])))  # some print 33+

    def namespaced_kinds(self) -> Iterator[tuple[str, str]]:
        """(api_version, kind) of all that can be listed in a namespace, each kind once, at its preferred version."""
        core = self._request("GET", "/api/v1") or {}
        groups = (self._request("GET", "/apis") or {}).get("groups", [])
        versions = [group["preferredVersion"]["groupVersion"] for group in groups]
        found = [
            ("v1", core),
            *((version, self._request("GET", f"/apis/{version}", missing=True)) for version in versions),
        ]
        for api_version, listed in found:
            for entry in (listed or {}).get("resources", []):
                if entry["namespaced"] and "/" not in entry["name"] and "list" in entry["verbs"]:
                    yield api_version, entry["kind"]

    def resource(self, api_version: str, kind: str) -> Resource:
        """How to reach a kind. Raises UnknownKindError where the cluster doesn't know it."""
        key = (api_version, kind)
        with self._lock:
            if key not in self._resources:
                self._discover(api_version)
            if key not in self._resources:
                raise UnknownKindError(f"the cluster has no kind {kind} in {api_version}")
            return self._resources[key]

    def _discover(self, api_version: str) -> None:
        path = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
        found = self._request("GET", path, missing=True) or {}
        for entry in found.get("resources", []):
            if "/" not in entry["name"]:
                resource = Resource(api_version, entry["name"], entry["namespaced"])
                self._resources[(api_version, entry["kind"])] = resource


def is_served(cluster: Discovery, api_version: str, kind: str) -> bool:
    """Whether the cluster knows the kind now: one that it doesn't has no objects, and none to watch."""
    try:
        cluster.resource(api_version, kind)
    except UnknownKindError:
        return False
    return True
