"""A real server on the loopback for the tests of the measuring client: plain and TLS, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

RESET, HANG_UP, SILENCE = "reset", "hang up", "silence"
"""What a server may do instead of answering."""


def answer(
    revision: str = "aaa",
    *,
    color: str = "blue",
    status: int = 200,
    body: str | None = None,
    headers: str = "",
    pod: str = "",
) -> bytes:
    """An answer of the demo application, as it comes through a gateway."""
    text = f'"{color}"' if body is None else body
    return (
        f"HTTP/1.1 {status} Whatever\r\nserver: istio-envoy\r\nx-envoy-upstream-service-time: 1\r\n"
        f"X-Rollouts-Demo-Color: {color}\r\nX-Rollouts-Demo-Pod: {pod or f'pod-{revision}'}\r\n"
        f"X-Rollouts-Demo-Revision: {revision}\r\n{headers}Content-Length: {len(text)}\r\n\r\n{text}"
    ).encode()


def gateway_answer(status: int) -> bytes:
    """An answer that Istio's gateway gives by itself."""
    return f"HTTP/1.1 {status} Whatever\r\nserver: istio-envoy\r\ncontent-length: 0\r\n\r\n".encode()


@dataclass
class Seen:
    """What a server saw so far."""

    connections: int = 0
    requests: list[str] = field(default_factory=list)
    """The Host headers, in order."""
    head: str = ""
    """All of the head of the latest request."""
    server_names: list[str] = field(default_factory=list)
    """The SNI hosts, in order."""
    last_requests: int = 0
    """Requests that asked to close the connection after their answer."""


Respond = Callable[[Seen], bytes | str]
"""Called for each request, once it has been noted: the bytes to send, or RESET, HANG_UP or SILENCE."""


class Reached:
    """Responds as it is told, and lets a test wait until so many requests have come."""

    def __init__(self, requests: int, respond: Respond) -> None:
        self._requests, self._respond = requests, respond
        self.event = threading.Event()

    def __call__(self, seen: Seen) -> bytes | str:
        if len(seen.requests) >= self._requests:
            self.event.set()
        return self._respond(seen)


class LoopbackServer:
    """Serves until its `with` block ends. `respond` decides each answer."""

    def __init__(self, respond: Respond, certificate: Path | None = None) -> None:
        self.seen = Seen()
        self._respond = respond
        self._context = self._tls(certificate) if certificate else None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> LoopbackServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def _tls(self, certificate: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _socket, name, _context: self.seen.server_names.append(name)
        return context

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, ssl=self._context, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.connections += 1
        try:
            while await self._request(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the client let go
        finally:
            writer.transport.abort()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.seen.head = head
        self.seen.requests.append(head.partition("\r\nHost: ")[2].partition("\r\n")[0])
        self.seen.last_requests += "\r\nConnection: close\r\n" in head
        said = self._respond(self.seen)
        if said == SILENCE:
            await self._over.wait()
        if said == RESET:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(said, str):
            return False
        writer.write(said)
        await writer.drain()
        return "Connection: close" not in head and b"Connection: close" not in said


def make_certificate(folder: Path) -> Path:
    """A self-signed certificate with its key in one file, as the demo's pods make theirs."""
    file, key, certificate = folder / "both.pem", folder / "key.pem", folder / "certificate.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=rollouts-demo"]
    where = ["-days", "1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *kind, *where], check=True, capture_output=True)
    file.write_bytes(key.read_bytes() + certificate.read_bytes())
    return file


def closed_port() -> int:
    """A port of the loopback where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
