"""The one client of the cluster's API. Objects go in and out as the plain dicts that the API speaks.

There are no typed models: the kinds that matter here are Istio's and Argo's, and what isn't in a model would be lost
on the way (ADR 0003).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canarylab.cancel import Cancel
from canarylab.errors import CanarylabError, NotYetObservableError
from canarylab.kube.connection import REQUEST_TIMEOUT, ApiError, Connection, broken_off
from canarylab.kube.watch import Watch

__all__ = ["FIELD_MANAGER", "ApiError", "Cluster", "Resource", "Snapshot", "UnknownKindError"]

FIELD_MANAGER = "canarylab"
"""Who owns the fields that this tool applies (server-side apply)."""

_WATCH_SECONDS = 5
"""A watch ends by itself after so long: this is how soon one notices that nobody wants it any more."""
_PAUSE = 0.2
"""Seconds before a watch that broke off is begun again."""


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
        place = ["namespaces", namespace] if self.namespaced and namespace else []
        return "/".join([_root(self.api_version), *place, self.plural, *filter(None, (name, subresource))])


@dataclass(frozen=True)
class Snapshot:
    """The objects that a list returned, and its resourceVersion, from which a watch goes on."""

    version: str
    items: tuple[dict[str, Any], ...]


class Cluster(Connection):
    """One cluster, named by kubeconfig and context: its objects can be read, written and watched.

    It is asked once for the kinds of each group and version.
    """

    def __init__(
        self, kubeconfig: Path, context: str, *, config: Mapping[str, Any] | None = None, by_proxy: bool = False
    ) -> None:
        super().__init__(kubeconfig, context, config=config, by_proxy=by_proxy)
        self._resources: dict[tuple[str, str], Resource] = {}
        self._lock = threading.Lock()

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """One object, or None where there is none."""
        return self._request("GET", self.resource(api_version, kind).path(namespace, name), missing=True)

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """All objects of a kind, of one namespace or of all, with the labels and fields given.

        `fields` are those that the server selects by, such as `involvedObject.name` of events.
        """
        params = {**_selector("labelSelector", labels), **_selector("fieldSelector", fields)}
        found = self._request("GET", self.resource(api_version, kind).path(namespace), params=params) or {}
        return _with_kind(found, api_version, kind)

    def may(self, verb: str, group: str, plural: str, namespace: str | None = None) -> bool:
        """Whether this user has the right; nothing is done."""
        wanted = {"verb": verb, "group": group, "resource": plural, **({"namespace": namespace} if namespace else {})}
        api_version = "authorization.k8s.io/v1"
        body = {"apiVersion": api_version, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": wanted}}
        answer = self._request("POST", f"/apis/{api_version}/selfsubjectaccessreviews", body=body) or {}
        return bool(answer.get("status", {}).get("allowed"))

    def apply(self, body: Mapping[str, Any], *, dry_run: bool = False, manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """Server-side apply: what `body` names becomes so and is owned by `manager`; what others own stays.

        With `dry_run` the server runs it all, admission webhooks too, and keeps nothing. Returns the object as it is
        or would be.
        """
        meta = body["metadata"]
        path = self.resource(body["apiVersion"], body["kind"]).path(meta.get("namespace"), meta["name"])
        params = {"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        return self._request("PATCH", path, params=params, body=body, content_type="application/apply-patch+yaml") or {}

    def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        subresource: str | None = None,
    ) -> dict[str, Any]:
        """Merge patch: the fields of `body` replace those of the object, null removes one."""
        path = self.resource(api_version, kind).path(namespace, name, subresource)
        params = {"fieldManager": FIELD_MANAGER}
        return self._request("PATCH", path, params=params, body=body, content_type="application/merge-patch+json") or {}

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete it; what it owns follows in the background. False where it wasn't there."""
        path = self.resource(api_version, kind).path(namespace, name)
        return self._request("DELETE", path, params={"propagationPolicy": "Background"}, missing=True) is not None

    # -- kinds --------------------------------------------------------------------------------------------------------

    def version(self) -> tuple[int, int]:
        """Kubernetes' version, major and minor."""
        found = self._request("GET", "/version") or {}
        return int(found["major"]), int("".join(filter(str.isdigit, found["minor"])))  # some print 33+

    def namespaced_kinds(self) -> Iterator[tuple[str, str]]:
        """(api_version, kind) of all that can be listed in a namespace, each kind once, at its preferred version."""
        groups = (self._request("GET", "/apis") or {}).get("groups", [])
        for api_version in ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]:
            for entry in self._kinds(api_version):
                if entry["namespaced"] and "list" in entry["verbs"]:
                    yield api_version, entry["kind"]

    def resource(self, api_version: str, kind: str) -> Resource:
        """How to reach a kind. Raises UnknownKindError where the cluster doesn't know it."""
        with self._lock:
            if (api_version, kind) not in self._resources:
                for entry in self._kinds(api_version):
                    known = Resource(api_version, entry["name"], entry["namespaced"])
                    self._resources[(api_version, entry["kind"])] = known
            if found := self._resources.get((api_version, kind)):
                return found
        raise UnknownKindError(
            f"the cluster has no kind {kind} in {api_version}",
            remedy="`invoke up` installs what defines it; of another's kind, install its CustomResourceDefinition",
        )

    def _kinds(self, api_version: str) -> Iterator[dict[str, Any]]:
        """What the API says of each kind of a group and version, subresources left out."""
        found = self._request("GET", _root(api_version), missing=True) or {}
        return (entry for entry in found.get("resources", []) if "/" not in entry["name"])

    # -- watches ------------------------------------------------------------------------------------------------------

    def wait(
        self, watches: Sequence[Watch], check: Callable[[], str | None], *, deadline: float, cancel: Cancel
    ) -> str | None:
        """Wait until `check` returns None; else its last reason, at the deadline (a point of time.monotonic()).

        `check` runs at once and then whenever a watched object changes.
        """
        reason = check()
        if reason is None:
            return None
        changed, over = threading.Event(), threading.Event()
        unsubscribe = cancel.subscribe(changed.set)
        for watch in watches:
            threading.Thread(target=self._signal, args=(watch, changed, over), daemon=True).start()
        try:
            while reason is not None and time.monotonic() < deadline:
                # A watch that the server ended is renewed every few seconds: look again then, too.
                changed.wait(min(_WATCH_SECONDS, max(0.0, deadline - time.monotonic())))
                changed.clear()
                cancel.check()
                reason = check()
        finally:
            over.set()
            unsubscribe()
        return reason

    def _signal(self, watch: Watch, changed: threading.Event, over: threading.Event) -> None:
        """Set `changed` for every event of a watch until it is over. What can't be reached now is tried again."""
        while not over.is_set():
            with suppress(CanarylabError, RuntimeError):  # httpx raises RuntimeError once the client is closed
                for _ in self.events(watch):
                    changed.set()
                    if over.is_set():
                        return
                continue
            over.wait(_PAUSE)

    def snapshot(self, watch: Watch) -> Snapshot:
        """All that a watch is about as it is now, and the resourceVersion from which `follow` goes on."""
        found = self._request("GET", self.resource(watch.api_version, watch.kind).path(watch.namespace)) or {}
        return Snapshot(found["metadata"]["resourceVersion"], tuple(_with_kind(found, watch.api_version, watch.kind)))

    def follow(self, watch: Watch, version: str, over: threading.Event) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (type, object) of every change after that resourceVersion, none left out, until `over` is set.

        A watch that ends, or breaks off for a reason that may pass, goes on from the last version seen. A BOOKMARK
        carries that version on where nothing changes (KEP-956), so that the server doesn't forget what follows it.
        Raises ApiError where it can't go on, with code 410 if the server has forgotten.
        """
        while not over.is_set():
            try:
                for event, found in self.events(watch, version=version):
                    version = found["metadata"]["resourceVersion"]
                    yield event, found
                    if over.is_set():
                        return
            except ApiError as error:
                if not error.may_pass:
                    raise
                over.wait(_PAUSE)

    def events(
        self, watch: Watch, seconds: int = _WATCH_SECONDS, version: str | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (type, object) of what is there and of what changes, for some seconds; then it ends by itself.

        With a resourceVersion only what changed after it, and bookmarks. Raises ApiError where it ends otherwise.
        """
        path = self.resource(watch.api_version, watch.kind).path(watch.namespace)
        params = {"watch": "true", "timeoutSeconds": str(seconds)}
        if version is not None:
            params |= {"resourceVersion": version, "allowWatchBookmarks": "true"}
        for line in self._lines(path, params, seconds + REQUEST_TIMEOUT):
            with broken_off("the watch broke off", path, ValueError):
                event = json.loads(line)
            if event["type"] == "ERROR":
                raise ApiError(str(event["object"].get("message")), event["object"].get("code"), where=path)
            yield event["type"], event["object"]


def _root(api_version: str) -> str:
    return "/api/v1" if api_version == "v1" else f"/apis/{api_version}"


def is_served(cluster: Cluster, api_version: str, kind: str) -> bool:
    """Whether the cluster knows the kind now: one that it doesn't has no objects, and none to watch."""
    try:
        cluster.resource(api_version, kind)
    except UnknownKindError:
        return False
    return True


def _with_kind(found: Mapping[str, Any], api_version: str, kind: str) -> list[dict[str, Any]]:
    """The objects of a list; the server leaves out in each what the list says of all."""
    return [{"apiVersion": api_version, "kind": kind, **item} for item in found.get("items", [])]


def _selector(name: str, wanted: Mapping[str, str] | None) -> dict[str, str]:
    return {name: ",".join(f"{key}={value}" for key, value in wanted.items())} if wanted else {}
