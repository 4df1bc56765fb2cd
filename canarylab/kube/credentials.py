"""Who asks the API server: tokens, passwords, programs that supply credentials (`exec`), and as whom one works.

Source: k8s.io/client-go v0.36.3, transport/round_trippers.go, transport/token_source.go and
plugin/pkg/client/auth/exec/exec.go.
"""

from __future__ import annotations

import base64
import json
import os
import string
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from pathlib import Path
from ssl import SSLContext
from typing import Any

import httpx2 as httpx

from canarylab.errors import MachineError
from canarylab.kube import certificates
from canarylab.kube.kubeconfig_entries import is_secure, is_sendable, logs_in_otherwise

_SECONDS = 300.0
"""How long such a program may take: some open a browser and wait for a login."""
_CONFIG = "client.authentication.k8s.io/exec"
"""The cluster's extension that is handed on to the program."""
_UNAUTHORIZED = 401
_HEADER_NAME = frozenset((string.ascii_letters + string.digits + "!#$&'*+-.^_`|~").encode())
"""The bytes that stay as they are in the name of a header (RFC 9110, token; `%` is left out, as in the source)."""


def authentication(user: Mapping[str, Any], cluster: Mapping[str, Any]) -> httpx.Auth | None:
    """What is sent with each request, None where it is nothing or a certificate alone."""
    if not is_secure(cluster):
        return None
    if user.get("token") or user.get("tokenFile"):
        return _Token(user.get("token"), user.get("tokenFile"))
    if user.get("username") or user.get("password"):
        return httpx.BasicAuth(user.get("username") or "", user.get("password") or "")
    if user.get("exec") and not logs_in_otherwise(user):
        return ExecCredentials(user["exec"], cluster)
    return None


def impersonation(user: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """The headers that say as whom one works; they are sent over plain HTTP, too. Pure."""
    if not user.get("as"):
        return []
    headers = [("User", user["as"]), ("Uid", user.get("as-uid"))]
    headers += [("Group", group) for group in user.get("as-groups") or []]
    for key, values in (user.get("as-user-extra") or {}).items():
        headers += [(f"Extra-{_escaped(key)}", value) for value in values]
    return [(f"Impersonate-{name}".encode(), value.encode()) for name, value in headers if value is not None]


def _escaped(key: str) -> str:
    """A key as the name of a header."""
    return "".join(chr(byte) if byte in _HEADER_NAME else f"%{byte:02X}" for byte in key.encode())


class _Token(httpx.Auth):
    """A bearer token. A file goes before the token that stands in the kubeconfig, as soon as it can be read.

    It is read anew for each request, since others replace it (kubelet, Vault's agent).
    """

    def __init__(self, token: str | None, file: str | None) -> None:
        self._last = token
        self._file = Path(file) if file else None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._current()}"
        yield request

    def _current(self) -> str:
        if self._file is None:
            return str(self._last)
        try:
            self._last = self._file.read_text().strip() or self._last
        except (OSError, UnicodeDecodeError) as error:
            if self._last is None:
                what = "the token file can't be read"
                raise MachineError(what, where=str(self._file), why=str(error), remedy="restore the file") from error
        return _sendable(self._last or "", f"the token in {self._file}", "write a token into the file")


def _sendable(token: str, what: str, remedy: str) -> str:
    if not is_sendable(token):
        raise MachineError(f"{what} contains a line break or a non-ASCII character", remedy=remedy)
    return token


class ExecCredentials(httpx.Auth):
    """Runs the program once, and once more when the API server no longer takes what it gave."""

    def __init__(self, exec_: Mapping[str, Any], cluster: Mapping[str, Any]) -> None:
        self._exec = exec_
        self._cluster = cluster
        self._given: dict[str, Any] = {}
        self._lock = threading.Lock()

    def load_certificate(self, context: SSLContext) -> None:
        """Put the client certificate into `context`, where it is one that the program gives, and not a token."""
        given = self._current(stale=None)
        if given.get("clientCertificateData"):
            pair = given["clientCertificateData"].encode(), given.get("clientKeyData", "").encode()
            certificates.show(context, *pair)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        given = self._current(stale=None)
        if not given.get("token"):
            yield request
            return
        request.headers["Authorization"] = f"Bearer {given['token']}"
        response = yield request
        if response.status_code == _UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {self._current(stale=given).get('token', '')}"
            yield request

    def _current(self, *, stale: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the program gave; it is run again if that is `stale`. One at a time: two would ask the user twice."""
        with self._lock:
            if not self._given or self._given is stale:
                self._given = self._run()
            return self._given

    def _run(self) -> dict[str, Any]:
        command = str(self._exec["command"])
        program = f"the kubeconfig's credential plugin {command}"
        interactive = self._is_interactive(program)
        named = {entry["name"]: entry.get("value") or "" for entry in self._exec.get("env") or []}
        environment = {**os.environ, **named, "KUBERNETES_EXEC_INFO": json.dumps(self._information(interactive))}
        argv = [command, *(self._exec.get("args") or [])]
        stdin = None if interactive else subprocess.DEVNULL
        try:
            # stderr is the user's: it is where such a program asks for a login.
            done = subprocess.run(
                argv, env=environment, stdin=stdin, stdout=subprocess.PIPE, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            hint = self._exec.get("installHint") or "install it, or fix the kubeconfig's user"
            raise MachineError(f"{program} can't be run", why=str(error), remedy=hint) from error
        by_hand = f"run it by hand: {' '.join(argv)}"
        try:
            answer = json.loads(done.stdout)
            version, status = answer["apiVersion"], dict(answer["status"])
        except (ValueError, KeyError, TypeError) as error:
            what = f"{program} returned no credentials (exit code {done.returncode})"
            raise MachineError(what, remedy=by_hand) from error
        if version != self._exec["apiVersion"]:
            what = f"{program} answers in version {version}, and the kubeconfig says {self._exec['apiVersion']}"
            raise MachineError(what, remedy="let the cluster's own tool write the kubeconfig again")
        _sendable(str(status.get("token") or ""), f"the token from {program}", by_hand)
        return status

    def _is_interactive(self, program: str) -> bool:
        """Whether it may ask the user. Raises MachineError where it has to, and there is nobody to ask."""
        wants = self._exec.get("interactiveMode") or "IfAvailable"
        has_terminal = sys.stdin is not None and sys.stdin.isatty()
        if wants == "Always" and not has_terminal:
            raise MachineError(
                f"{program} needs a terminal (interactiveMode: Always), and there is none",
                remedy="run this command in a terminal, or use a context that logs in without one",
            )
        return wants != "Never" and has_terminal

    def _information(self, interactive: bool) -> dict[str, Any]:
        """What the program gets to know: whether it may ask the user, and, where it wants that, which cluster."""
        spec: dict[str, Any] = {"interactive": interactive}
        if self._exec.get("provideClusterInfo"):
            named = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression")
            spec["cluster"] = {key: self._cluster[key] for key in named if key in self._cluster}
            if authority := certificates.given(self._cluster, "certificate-authority"):
                spec["cluster"]["certificate-authority-data"] = base64.b64encode(authority).decode()
            for extension in self._cluster.get("extensions") or []:
                if extension.get("name") == _CONFIG:
                    spec["cluster"]["config"] = extension.get("extension")
        return {"kind": "ExecCredential", "apiVersion": self._exec["apiVersion"], "spec": spec}
