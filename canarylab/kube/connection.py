"""The connection to the cluster's API: requests, answers that go on, and upgrades to another protocol.

lightkube supplies certificates, tokens and credential plugins (ADR 0003).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ConfigError

from canarylab.errors import CanarylabError, NotYetObservableError
from canarylab.kube.credentials import ExecCredentials
from canarylab.yamlfile.reader import load_yaml

REQUEST_TIMEOUT = 15.0
"""Seconds until an answer has to begin."""
_SWITCHING, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 101, 404, 429, 500

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
    def may_pass(self) -> bool:
        """Whether it may be over in a moment: no answer, too many requests, a server in trouble."""
        return self.code is None or self.code == _TOO_MANY or self.code >= _SERVER_ERROR


@contextmanager
def broken_off(what: str, where: str, by: type[Exception] = httpx.HTTPError) -> Iterator[None]:
    """Raise ApiError in place of such an exception: nothing that the API server said."""
    try:
        yield
    except by as error:
        raise ApiError(f"{what}: {error or type(error).__name__}", None, where=where) from error


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
        self._http = _connected(kubeconfig, context, config, by_proxy=by_proxy)

    def close(self) -> None:
        """Let go of the client's connections; nothing can be asked afterwards."""
        self._http.close()

    def ready(self) -> str | None:
        """None once the API server says that it is ready, else what it said."""
        try:
            response = self._http.get("/readyz")
        except httpx.HTTPError as error:
            return f"the API server doesn't answer: {error}"
        return None if response.is_success else f"the API server isn't ready: {response.text[:200]}"

    def upgrade(self, path: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Upgraded:
        """A connection that the API server hands over to another protocol, such as a WebSocket.

        Raises ApiError where it doesn't.
        """
        request = self._http.build_request("GET", path, params=params, headers=headers)
        with broken_off("no answer from the cluster", f"GET {path}"):
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
        with broken_off("no answer from the cluster", f"{method} {path}"):
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
        remedy = "`invoke up` writes it; for a cluster of your own, `kubectl config get-contexts` lists what there is"
        raise NotYetObservableError(str(error), where=str(kubeconfig), remedy=remedy) from error
    except OSError as error:  # a certificate that isn't there, or isn't one
        what = f"the context's certificates can't be used: {error}"
        remedy = "log in to the cluster again, so that they are written anew, or correct their paths in that file"
        raise NotYetObservableError(what, where=str(kubeconfig), remedy=remedy) from error
    if user.get("exec"):
        settings["auth"] = ExecCredentials(user["exec"], cluster)
        settings["auth"].load_certificate(settings["verify"])
    return httpx.Client(**settings)


def _read(kubeconfig: Path) -> dict[str, Any]:
    try:
        return dict(load_yaml(kubeconfig.read_text()))
    except FileNotFoundError as error:
        what, remedy = "the kubeconfig was not found", "`invoke up` makes the cluster, and writes it"
        raise NotYetObservableError(what, where=str(kubeconfig), remedy=remedy) from error


def _section(config: Mapping[str, Any], section: str, name: str | None) -> dict[str, Any]:
    """The named cluster or user as the kubeconfig has it: lightkube keeps only some of its keys."""
    kind = section.removesuffix("s")
    return next((entry.get(kind) or {} for entry in config.get(section) or [] if entry.get("name") == name), {})


def _message(response: httpx.Response) -> str:
    """What the API server says in its Status object, else the plain text."""
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.text[:300]}"
