"""The one client of the cluster's API. Objects go in and out as the plain dicts that the API speaks.

lightkube supplies the connection (certificates, tokens, credential plugins); its typed models are left out, since
the kinds that matter here are Istio's and Argo's, and what isn't in a model would be lost on the way (ADR 0003).
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

import httpx2 as httpx
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ConfigError

from canarylab.cancel import Cancel
from canarylab.errors import CanarylabError, NotYetObservableError
from canarylab.kube.credentials import ExecCredentials
from canarylab.kube.watch import Watch
from canarylab.yamlfile.reader import load_yaml

FIELD_MANAGER = "canarylab"
"""Who owns the fields that this tool applies (server-side apply)."""

OWNER_LABEL = "canarylab.dev/profile"
"""The label of every object that this tool made; its value is the profile."""

REQUEST_TIMEOUT = 15.0
_WATCH_SECONDS = 5
_PAUSE = 0.2
"""Seconds before a watch that broke off is begun again."""
_SWITCHING, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 101, 404, 429, 500


class ApiError(CanarylabError):
    """The API server refused a request, or couldn't be reached (`code` is None)."""

    def __init__(self, what: str, code: int | None, *, where: str) -> None:
        super().__init__(what, where=where)
        self.code = code

    @property
    def may_pass(self) -> bool:
        """Whether it may be over in a moment: no answer, too many requests, a server in trouble."""
        return self.code is None or self.code == _TOO_MANY or self.code >= _SERVER_ERROR


class UnknownKindError(NotYetObservableError):
    """The cluster has no such kind: its CustomResourceDefinition isn't there (yet)."""


@dataclass(frozen=True)
class Resource:
    """How a kind is reached: its plural name, and whether it lives in namespaces."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        parts = [root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [self.plural, *filter(None, (name, subresource))]
        return "/".join(parts)


@dataclass(frozen=True)
class Snapshot:
    """What a list found, and the resourceVersion as of which it did."""

    version: str
    items: tuple[dict[str, Any], ...]


class Upgraded:
    """The bytes of a connection after its upgrade. Timeouts are in seconds; ApiError where it is cut.

    What it is cut by is whatever the transport below httpx raises: those errors have no base in common.
    """

    def __init__(self, response: httpx.Response, path: str) -> None:
        self.headers = response.headers
        self._response = response
        self._stream = response.extensions["network_stream"]
        self._path = path

    def read(self, most: int, timeout: float) -> bytes:
        """What came, b"" at the end."""
        try:
            return bytes(self._stream.read(most, timeout))
        except Exception as error:
            raise self._cut(error) from error

    def write(self, data: bytes, timeout: float) -> None:
        try:
            self._stream.write(data, timeout)
        except Exception as error:
            raise self._cut(error) from error

    def close(self) -> None:
        self._response.close()

    def _cut(self, error: Exception) -> ApiError:
        return ApiError(f"the connection broke off: {_words(error)}", None, where=self._path)


class Cluster:
    """One cluster, named by kubeconfig and context: never by whatever is current.

    `config` is what the file says, where it is known already or the file isn't written yet. With `by_proxy` the
    user's proxy settings hold, as they do for kubectl; a cluster on this machine is never asked through a proxy.
    """

    def __init__(
        self, kubeconfig: Path, context: str, *, config: Mapping[str, Any] | None = None, by_proxy: bool = False
    ) -> None:
        self.kubeconfig = kubeconfig
        self.context = context
        self._http = _connected(kubeconfig, context, config, by_proxy=by_proxy)
        self._resources: dict[tuple[str, str], Resource] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        self._http.close()

    # -- reading ------------------------------------------------------------------------------------------------------

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
        return _items(found, api_version, kind)

    def ready(self) -> str | None:
        """None once the API server says that it is ready, else what it said."""
        try:
            response = self._http.get("/readyz")
        except httpx.HTTPError as error:
            return f"the API server doesn't answer: {error}"
        return None if response.is_success else f"the API server isn't ready: {response.text[:200]}"

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

    def may(self, verb: str, group: str, plural: str, namespace: str | None = None) -> bool:
        """Whether this user has the right; nothing is done."""
        wanted = {"verb": verb, "group": group, "resource": plural, **({"namespace": namespace} if namespace else {})}
        api_version = "authorization.k8s.io/v1"
        body = {"apiVersion": api_version, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": wanted}}
        answer = self._request("POST", f"/apis/{api_version}/selfsubjectaccessreviews", body=body) or {}
        return bool(answer.get("status", {}).get("allowed"))

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

    # -- writing ------------------------------------------------------------------------------------------------------

    def apply(self, body: Mapping[str, Any], *, dry_run: bool = False, manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """Server-side apply: what `body` names becomes so and is owned by `manager`; what others own stays.

        With `dry_run` the server runs it all, admission webhooks too, and keeps nothing. Returns the object as it is
        or would be.
        """
        resource = self.resource(body["apiVersion"], body["kind"])
        meta = body["metadata"]
        params = {"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        applied = self._request(
            "PATCH",
            resource.path(meta.get("namespace"), meta["name"]),
            params=params,
            body=body,
            content_type="application/apply-patch+yaml",
        )
        return applied or {}

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

    # -- waiting ------------------------------------------------------------------------------------------------------

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
        threads = [threading.Thread(target=self._signal, args=(watch, changed, over), daemon=True) for watch in watches]
        for thread in threads:
            thread.start()
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
        return Snapshot(found["metadata"]["resourceVersion"], tuple(_items(found, watch.api_version, watch.kind)))

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

    def events(self, watch: Watch, seconds: int = _WATCH_SECONDS, version: str | None = None) -> Any:
        """Yield (type, object) of what is there and of what changes, for some seconds; then it ends by itself.

        With a resourceVersion only what changed after it, and bookmarks. Raises ApiError where it ends otherwise.
        """
        path = self.resource(watch.api_version, watch.kind).path(watch.namespace)
        params = {"watch": "true", "timeoutSeconds": str(seconds)}
        if version is not None:
            params |= {"resourceVersion": version, "allowWatchBookmarks": "true"}
        timeout = httpx.Timeout(REQUEST_TIMEOUT, read=seconds + REQUEST_TIMEOUT)
        try:
            with self._http.stream("GET", path, params=params, timeout=timeout) as response:
                if not response.is_success:
                    raise ApiError(response.reason_phrase, response.status_code, where=path)
                for line in response.iter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(str(event["object"].get("message")), event["object"].get("code"), where=path)
                    yield event["type"], event["object"]
        except (httpx.HTTPError, ValueError) as error:
            raise ApiError(f"the watch broke off: {_words(error)}", None, where=path) from error

    # -- upgrades ----------------------------------------------------------------------------------------------------

    def upgrade(self, path: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Upgraded:
        """A connection that the API server hands over to another protocol, such as a WebSocket.

        Raises ApiError where it doesn't.
        """
        request = self._http.build_request("GET", path, params=params, headers=headers)
        try:
            response = self._http.send(request, stream=True)
            if response.status_code == _SWITCHING:
                return Upgraded(response, path)
            response.read()
        except httpx.HTTPError as error:
            raise ApiError(f"no answer from the cluster: {_words(error)}", None, where=f"GET {path}") from error
        raise ApiError(_message(response), response.status_code, where=f"GET {path}")

    # -- the wire -----------------------------------------------------------------------------------------------------

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        missing: bool = False,
    ) -> dict[str, Any] | None:
        headers = {"Content-Type": content_type} if body is not None else {}
        content = json.dumps(body) if body is not None else None
        try:
            response = self._http.request(method, path, params=params, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise ApiError(f"no answer from the cluster: {_words(error)}", None, where=f"{method} {path}") from error
        if missing and response.status_code == _NOT_FOUND:
            return None
        if not response.is_success:
            raise ApiError(_message(response), response.status_code, where=f"{method} {path}")
        parsed: dict[str, Any] = response.json()
        return parsed


def _connected(kubeconfig: Path, context: str, known: Mapping[str, Any] | None, *, by_proxy: bool) -> httpx.Client:
    raw = known if known is not None else _read(kubeconfig)
    try:
        config = KubeConfig.from_dict(dict(raw), fname=kubeconfig).get(context_name=context)
        assert config is not None  # only without a name is there none
        cluster, user = (_section(raw, "clusters", config.context.cluster), _section(raw, "users", config.context.user))
        proxy = cluster.get("proxy-url")
        parameters = client_adapter.ConnectionParams(
            timeout=httpx.Timeout(REQUEST_TIMEOUT), trust_env=by_proxy and not proxy, proxy=proxy
        )
        settings = parameters.httpx_params(config)
    except (ConfigError, KeyError) as error:  # no such context in it, or one that names nothing
        raise NotYetObservableError(str(error), where=str(kubeconfig)) from error
    except OSError as error:  # a certificate that isn't there, or isn't one
        raise NotYetObservableError(
            f"the context's certificates can't be used: {error}", where=str(kubeconfig)
        ) from error
    if user.get("exec"):
        settings["auth"] = ExecCredentials(user["exec"], cluster)
        settings["auth"].load_certificate(settings["verify"])
    return httpx.Client(**settings)


def _read(kubeconfig: Path) -> dict[str, Any]:
    try:
        return dict(load_yaml(kubeconfig.read_text()))
    except FileNotFoundError as error:
        raise NotYetObservableError("the kubeconfig was not found", where=str(kubeconfig)) from error


def _section(config: Mapping[str, Any], section: str, name: str | None) -> dict[str, Any]:
    """The named cluster or user as the kubeconfig has it: lightkube keeps only some of its keys."""
    kind = section.removesuffix("s")
    return next((entry.get(kind) or {} for entry in config.get(section) or [] if entry.get("name") == name), {})


def _items(found: Mapping[str, Any], api_version: str, kind: str) -> list[dict[str, Any]]:
    """The objects of a list; the server leaves out in each what the list says of all."""
    return [{"apiVersion": api_version, "kind": kind, **item} for item in found.get("items", [])]


def _selector(name: str, wanted: Mapping[str, str] | None) -> dict[str, str]:
    return {name: ",".join(f"{key}={value}" for key, value in wanted.items())} if wanted else {}


def _words(error: Exception) -> str:
    """What an exception says, or what it is called where it says nothing."""
    return str(error) or type(error).__name__


def _message(response: httpx.Response) -> str:
    """What the API server says in its Status object, else the plain text."""
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.text[:300]}"
