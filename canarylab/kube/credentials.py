"""Credentials that a program supplies (`exec` in a kubeconfig), as the clouds' own command-line tools do.

lightkube runs such programs too, but knows only the older version of the interface, and tokens only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Mapping
from pathlib import Path
from ssl import SSLContext
from typing import Any

import httpx2 as httpx

from canarylab.errors import MachineError

_SECONDS = 300.0
"""How long such a program may take: some open a browser and wait for a login."""
_KNOWN = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_CONFIG = "client.authentication.k8s.io/exec"
"""The cluster's extension that is handed on to the program."""
_UNAUTHORIZED = 401


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
            with tempfile.TemporaryDirectory() as folder:
                certificate, key = Path(folder, "certificate"), Path(folder, "key")
                for path, name in ((certificate, "clientCertificateData"), (key, "clientKeyData")):
                    path.touch(mode=0o600)
                    path.write_text(given.get(name, ""))
                context.load_cert_chain(certificate, key)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        given = self._current(stale=None)
        if "token" not in given:
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
        version, command = self._exec.get("apiVersion"), str(self._exec.get("command", ""))
        program = f"the kubeconfig's credential program {command}"
        if version not in _KNOWN:
            raise MachineError(
                f"{program} is set to ExecCredential version {version}",
                why=f"supported: {' and '.join(_KNOWN)}",
                remedy="let the cluster's own tool write the kubeconfig again",
            )
        named = {entry["name"]: entry["value"] for entry in self._exec.get("env") or []}
        environment = {**os.environ, **named, "KUBERNETES_EXEC_INFO": json.dumps(self._information())}
        argv = [command, *map(str, self._exec.get("args") or [])]
        try:
            # stderr is the user's: it is where such a program asks for a login.
            done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            hint = self._exec.get("installHint") or "install it, or fix the kubeconfig's user"
            raise MachineError(f"{program} can't be run", why=str(error), remedy=hint) from error
        try:
            status = json.loads(done.stdout)["status"]
        except (ValueError, KeyError, TypeError) as error:
            what = f"{program} gave no credentials (it ended with {done.returncode})"
            raise MachineError(what, remedy=f"run it by hand: {' '.join(argv)}") from error
        return dict(status)

    def _information(self) -> dict[str, Any]:
        """What the program gets to know: whether it may ask the user, and, where it wants that, which cluster."""
        wants = self._exec.get("interactiveMode", "IfAvailable")
        spec: dict[str, Any] = {"interactive": wants != "Never" and sys.stdin is not None and sys.stdin.isatty()}
        if self._exec.get("provideClusterInfo"):
            named = (
                "server",
                "tls-server-name",
                "insecure-skip-tls-verify",
                "certificate-authority-data",
                "proxy-url",
                "disable-compression",
            )
            spec["cluster"] = {key: self._cluster[key] for key in named if key in self._cluster}
            for extension in self._cluster.get("extensions") or []:
                if extension.get("name") == _CONFIG:
                    spec["cluster"]["config"] = extension.get("extension")
        return {"kind": "ExecCredential", "apiVersion": self._exec["apiVersion"], "spec": spec}
