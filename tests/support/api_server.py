"""A real HTTP server on the loopback that speaks as much of Kubernetes' API as the client asks for."""

from __future__ import annotations

import json
import queue
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

DISCOVERY = {
    "/api/v1": [
        ("pods", "Pod", True),
        ("pods/log", "Pod", True),
        ("namespaces", "Namespace", False),
        ("services", "Service", True),
    ],
    "/apis/apps/v1": [("deployments", "Deployment", True), ("deployments/status", "Deployment", True)],
}

_PROTOBUF = b"k8s\x00"
"""What a body begins with that Go's typed clients send: it is kept as it is."""

END = object()
"""Put into `watched`: the watch ends as it does after its time."""
CUT = object()
"""Put into `watched`: the connection breaks in the middle of a chunk."""


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    query: dict[str, str]
    content_type: str | None
    body: Any
    headers: tuple[tuple[str, str], ...] = ()
    """As they came, names in small letters."""


Reply = tuple[int, Any]
"""A status and a body; text goes out as it is, everything else as JSON."""


class ApiServer:
    """Serves until its `with` block ends.

    `replies` has what to say by `METHOD /path`; discovery is there already, anything else is a 404 as Kubernetes words
    it. A watch gets what is put into `watched`, one line each. `requests` has what came, in order.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.replies: dict[str, Reply | Callable[[Request], Reply]] = {
            f"GET {path}": (200, {"resources": [_resource(*row) for row in rows]}) for path, rows in DISCOVERY.items()
        }
        self.authority = ""
        """The file of the certificate that vouches for it, where it is asked over TLS."""
        self.watched: queue.Queue[Any] = queue.Queue()
        self.watching = threading.Event()
        """Set once a watch has begun."""
        self.upgrade: Callable[[BaseHTTPRequestHandler], None] | None = None
        """Takes over the connection of a request that asks for another protocol."""
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> ApiServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, folder: Path, context: str = "unit-test") -> Path:
        """Write a kubeconfig whose current context is another cluster's, where nobody answers."""
        file = folder / "kubeconfig"
        names, servers = (context, "current"), (self.url, "http://127.0.0.1:9")
        file.write_text(
            yaml.safe_dump(
                {
                    "clusters": [{"name": n, "cluster": {"server": s}} for n, s in zip(names, servers, strict=True)],
                    "users": [{"name": name, "user": {}} for name in names],
                    "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
                    "current-context": "current",
                }
            )
        )
        return file

    def reply(self, request: Request) -> Reply:
        self.requests.append(request)
        said = self.replies.get(f"{request.method} {request.path}")
        if said is None:
            return status(404, f'"{request.path}" not found')
        return said(request) if callable(said) else said


def status(code: int, message: str) -> Reply:
    """An error as the API server words it."""
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


def _resource(name: str, kind: str, namespaced: bool) -> dict[str, Any]:
    return {"name": name, "kind": kind, "namespaced": namespaced, "verbs": ["get", "list", "watch", "patch"]}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that lets go of its connection is no error."""


class _Handler(BaseHTTPRequestHandler):
    api: ApiServer
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = raw if raw.startswith(_PROTOBUF) else json.loads(raw) if raw else None
        if self.api.upgrade and "Upgrade" in self.headers:
            self.api.requests.append(Request(self.command, url.path, query, None, None))
            self.close_connection = True
            self.api.upgrade(self)
            return
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        kind = self.headers.get("Content-Type")
        code, said = self.api.reply(Request(self.command, url.path, query, kind, body, headers))
        if query.get("watch") == "true" and code == 200:
            self._stream()
            return
        content = said.encode() if isinstance(said, str) else json.dumps(said).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(said, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PATCH = do_DELETE = do_POST = do_PUT = _answer  # noqa: N815 - the names that http.server looks for

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.api.watching.set()
        while (line := self.api.watched.get()) is not END:
            if line is CUT:
                self.wfile.write(b"ff\r\n{")
                self.close_connection = True
                return
            content = (line if isinstance(line, str) else json.dumps(line)).encode() + b"\n"
            self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass
