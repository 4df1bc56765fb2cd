"""The connection to the cluster's API: requests, answers that go on, and upgrades to another protocol.

It is made of what a kubeconfig says, as kubectl makes its own (ADR 0003).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import socksio

from canarylab.errors import CanarylabError, MachineError, NotYetObservableError
from canarylab.kube import api_server_proxy, certificates, kubeconfig_entries, kubeconfig_refusals
from canarylab.kube.credentials import ExecCredentials, authentication, impersonation
from canarylab.yamlfile.kubernetes_yaml import load_yaml

REQUEST_TIMEOUT = 15.0
"""Seconds until an answer has to begin."""
_SWITCHING, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 101, 401, 403, 404, 429, 500

_MAY_PASS = "the API server has trouble of its own, which may pass: run the command again"
_REFUSED = "correct what it refuses; `invoke plan` shows what would be sent"
_STEPS: Mapping[int | None, str] = {
    None: "`invoke doctor` looks at the way to the cluster; the same command then goes on from here",
    401: "log in again, as for kubectl: `kubectl auth whoami` with this context says who you are to the cluster",
    403: "ask whoever runs the cluster for that permission: `kubectl auth can-i --list` shows those that you have",
    404: "`invoke status` shows what is missing, and `invoke up` brings it up",
    409: "somebody else changed it at the same moment: run the command again",
    **dict.fromkeys((429, 500, 502, 503, 504), _MAY_PASS),
}
"""What to do next about an answer with such a code, None for no answer (Kubernetes: api-conventions.md)."""


class ApiError(CanarylabError):
    """The API server refused a request, or couldn't be reached (`code` is None)."""

    def __init__(self, what: str, code: int | None, *, where: str) -> None:
        super().__init__(what, where=where)
        self.code = code
        self.otherwise = _STEPS.get(code, _REFUSED)

    @property
    def is_forbidden(self) -> bool:
        """Whether the user may not do that."""
        return self.code == _FORBIDDEN

    @property
    def may_pass(self) -> bool:
        """Whether it may be over in a moment: no answer, too many requests, a server in trouble."""
        return self.code is None or self.code == _TOO_MANY or self.code >= _SERVER_ERROR


@contextmanager
def broken_off(what: str, where: str, by: type[Exception] = httpx.HTTPError) -> Iterator[None]:
    """Raise ApiError in place of such an exception: nothing that the API server said."""
    try:
        yield
    except by as error:
        raise ApiError(f"{what}: {str(error) or type(error).__name__}", None, where=where) from error


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
        with broken_off("the connection broke off", self._path, Exception):
            return bytes(self._stream.read(most, timeout))

    def write(self, data: bytes, timeout: float) -> None:
        """Send bytes."""
        with broken_off("the connection broke off", self._path, Exception):
            self._stream.write(data, timeout)

    def close(self) -> None:
        """End the connection."""
        self._response.close()


class Connection:
    """To one cluster, named by kubeconfig and context: never by whatever is current.

    `config` is what the file says, where it is known already or the file isn't written yet. With `by_proxy` the
    user's proxy settings hold, as they do for kubectl; a cluster on this machine is never asked through a proxy.
    """

    def __init__(
        self, kubeconfig: Path, context: str, *, config: Mapping[str, Any] | None = None, by_proxy: bool = False
    ) -> None:
        self.kubeconfig = kubeconfig
        self.context = context
        cluster, user = _entries(kubeconfig, context, config if config is not None else _read(kubeconfig))
        self._route = api_server_proxy.route(
            kubeconfig_entries.server_url(cluster), cluster.get("proxy-url"), os.environ if by_proxy else {}
        )
        self._http = _client(kubeconfig, cluster, user, self._route.proxy)

    def close(self) -> None:
        """Let go of the client's connections; nothing can be asked afterwards."""
        self._http.close()

    def ready(self, timeout: float = REQUEST_TIMEOUT) -> str | None:
        """None once the API server says that it is ready, else what it said; `timeout` in seconds."""
        try:
            response = self._http.get("/readyz", timeout=timeout)
        except httpx.HTTPError as error:
            return f"the API server doesn't answer: {str(error) or type(error).__name__}{self._route.note}"
        return None if response.is_success else _unready(response)

    def answers(self, timeout: float) -> bool:
        """Whether anything at all is said there in so many seconds."""
        try:
            self._http.get("/livez", timeout=timeout)
        except (httpx.HTTPError, RuntimeError):  # the latter once the client is closed
            return False
        return True

    def upgrade(self, path: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Upgraded:
        """A connection that the API server hands over to another protocol, such as a WebSocket.

        Raises ApiError where it doesn't.
        """
        request = self._http.build_request("GET", path, params=params, headers=headers)
        with broken_off(f"no answer from the cluster{self._route.note}", f"GET {path}"):
            response = self._http.send(request, stream=True)
            if response.status_code == _SWITCHING:
                return Upgraded(response, path)
            response.read()
        raise ApiError(_message(response), response.status_code, where=f"GET {path}")

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
        with broken_off(f"no answer from the cluster{self._route.note}", f"{method} {path}"):
            response = self._http.request(method, path, params=params, content=content, headers=headers)
        if missing and response.status_code == _NOT_FOUND:
            return None
        if not response.is_success:
            raise ApiError(_message(response), response.status_code, where=f"{method} {path}")
        parsed: dict[str, Any] = response.json()
        return parsed

    def _lines(self, path: str, params: Mapping[str, str], silence: float) -> Iterator[str]:
        """The lines of an answer that goes on, for as long as not so many seconds pass without one."""
        timeout = httpx.Timeout(REQUEST_TIMEOUT, read=silence)
        with (
            broken_off("the watch broke off", path),
            self._http.stream("GET", path, params=params, timeout=timeout) as response,
        ):
            if not response.is_success:
                raise ApiError(response.reason_phrase, response.status_code, where=path)
            yield from response.iter_lines()


class _Transport(httpx.HTTPTransport):
    """Whatever answers in a SOCKS proxy's place is an error of the connection, not of this program."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return super().handle_request(request)
        except (socksio.SOCKSError, AssertionError) as error:
            raise httpx.ProxyError("the proxy doesn't speak SOCKS5", request=request) from error


def _client(kubeconfig: Path, cluster: Mapping[str, Any], user: Mapping[str, Any], proxy: str | None) -> httpx.Client:
    """A client that asks as kubectl would; a file that is no certificate is a cluster that can't be asked yet."""
    auth = authentication(user, cluster)
    try:
        context = certificates.tls_context(cluster, user if kubeconfig_entries.is_secure(cluster) else {})
        if isinstance(auth, ExecCredentials):
            auth.load_certificate(context)
    except (OSError, ValueError) as error:
        raise NotYetObservableError(
            f"the context's certificates can't be used: {error}",
            where=str(kubeconfig),
            remedy="log in to the cluster again, so that they are written anew, or correct their paths in that file",
        ) from error
    headers = impersonation(user)
    if cluster.get("disable-compression"):
        headers.append((b"Accept-Encoding", b"identity"))
    return httpx.Client(
        base_url=kubeconfig_entries.server_url(cluster),
        headers=headers,
        auth=auth,
        timeout=httpx.Timeout(REQUEST_TIMEOUT),
        transport=_Transport(verify=context, proxy=proxy, trust_env=False),
        trust_env=False,
        event_hooks={"request": [_named(cluster.get("tls-server-name"))]},
    )


def _named(server_name: str | None) -> Callable[[httpx.Request], None]:
    """Has every request ask for the certificate of that name, and verify it, in place of the address's."""

    def name(request: httpx.Request) -> None:
        if server_name:
            request.extensions["sni_hostname"] = server_name

    return name


def _entries(kubeconfig: Path, context: str, raw: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The context's cluster and user, their files made absolute.

    Raises NotYetObservableError where there is no such context or cluster, MachineError for one that can't be used.
    """
    inner = _entry(raw, "contexts", context)
    if inner is None:
        remedy = "`invoke up` writes it; for a cluster of your own, `kubectl config get-contexts` lists what there is"
        raise NotYetObservableError(f"context {context!r} not found", where=str(kubeconfig), remedy=remedy)
    found, user = _entry(raw, "clusters", inner.get("cluster")), _entry(raw, "users", inner.get("user"))
    if found is None:
        what = f"context {context!r} refers to a cluster the kubeconfig doesn't have: {inner.get('cluster')!r}"
        remedy = "fix the kubeconfig, or let the cluster's own tool write it again"
        raise NotYetObservableError(what, where=str(kubeconfig), remedy=remedy)
    cluster = kubeconfig_entries.absolute(found, kubeconfig.parent)
    user = kubeconfig_entries.absolute(user or {}, kubeconfig.parent)
    for fault in kubeconfig_refusals.faults(inner, cluster, user):
        raise MachineError(fault.what, where=f"{kubeconfig}, {fault.key}", why=fault.why, remedy=fault.remedy)
    return cluster, user


def _read(kubeconfig: Path) -> dict[str, Any]:
    try:
        return dict(load_yaml(kubeconfig.read_text()))
    except FileNotFoundError as error:
        what, remedy = "the kubeconfig was not found", "`invoke up` makes the cluster, and writes it"
        raise NotYetObservableError(what, where=str(kubeconfig), remedy=remedy) from error


def _entry(config: Mapping[str, Any], section: str, name: str | None) -> dict[str, Any] | None:
    """The named context, cluster or user; None where there is none."""
    kind = section.removesuffix("s")
    return next((entry.get(kind) or {} for entry in config.get(section) or [] if entry.get("name") == name), None)


def _unready(response: httpx.Response) -> str:
    """What stands for its answer to /readyz: its words, and where there are none, the status that it came with."""
    status = f"{response.status_code} {response.reason_phrase}".strip()
    if response.status_code in (_UNAUTHORIZED, _FORBIDDEN):
        return f"the API server doesn't let this user ask whether it is ready: {status}"
    if target := response.headers.get("location"):
        return f"what answers GET /readyz isn't an API server: {status}, to {target}"
    said = "" if "html" in response.headers.get("content-type", "") else response.text.strip()[:200]
    return f"the API server isn't ready: {said or f'it answers GET /readyz with {status}, and no word more'}"


def _message(response: httpx.Response) -> str:
    """What the API server says in its Status object, else the plain text."""
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.text[:300]}"
