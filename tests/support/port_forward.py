"""The other side of a port-forward: what a kubelet says over a WebSocket, for a server in a pod.

As k8s.io/cri-streaming, pkg/streaming/portforward/websocket.go does it, with the subprotocol `v4.channel.k8s.io`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong
from wsproto.utilities import generate_accept_token

DATA, ERROR = 0, 1


class Wire:
    """One connection, on which a test says what it wants, right or wrong."""

    def __init__(self, connection: socket.socket) -> None:
        self.pongs: list[bytes] = []
        self._socket = connection
        self._frames = Connection(ConnectionType.SERVER)

    def data(self, content: bytes, *, fragments: int = 1) -> None:
        """Bytes of the port, as one message in so many frames."""
        self._message(bytes([DATA]) + content, fragments)

    def error(self, text: str) -> None:
        self._message(bytes([ERROR]) + text.encode(), 1)

    def nothing(self) -> None:
        """A message without even a channel."""
        self._message(b"", 1)

    def ping(self, payload: bytes) -> None:
        self._socket.sendall(self._frames.send(Ping(payload)))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye."""
        self._socket.sendall(self._frames.send(CloseConnection(code, reason)))

    def cut(self) -> None:
        """End it without a word."""
        self._socket.shutdown(socket.SHUT_RDWR)

    def questions(self) -> Iterator[str]:
        """The path of each HTTP request, until the client lets go."""
        asked = b""
        while received := self._received():
            self._frames.receive_data(received)
            for event in self._frames.events():
                if isinstance(event, Pong):
                    self.pongs.append(bytes(event.payload))
                elif isinstance(event, BytesMessage):
                    assert event.data[0] == DATA
                    asked += event.data[1:]
            if asked.endswith(b"\r\n\r\n"):
                yield asked.split(b" ")[1].decode()
                asked = b""

    def _received(self) -> bytes:
        try:
            return self._socket.recv(1 << 16)
        except OSError:  # cut by the test itself
            return b""

    def _message(self, content: bytes, fragments: int) -> None:
        size = len(content) // fragments + 1
        pieces = [content[start : start + size] for start in range(0, max(len(content), 1), size)]
        for number, piece in enumerate(pieces, 1):
            frame = BytesMessage(data=piece, message_finished=number == len(pieces))
            self._socket.sendall(self._frames.send(frame))


class PortForward:
    """Takes connections over from an ApiServer; `respond` is called for each question to the pod."""

    def __init__(self, respond: Callable[[Wire, str], None], *, accept: bool = True) -> None:
        self.connections = 0
        self.paths: list[str] = []
        self.protocols: list[str | None] = []
        self.over = threading.Event()
        """Set once a connection has ended."""
        self._respond = respond
        self._accept = accept

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        self.connections += 1
        self.protocols.append(handler.headers["Sec-WebSocket-Protocol"])
        wire = Wire(handler.connection)
        # The head and the ports go out at once, so that a client finds them in one piece.
        frames, port = Connection(ConnectionType.SERVER), (15000).to_bytes(2, "little")
        ports = [frames.send(BytesMessage(data=bytes([channel]) + port)) for channel in (DATA, ERROR)]
        handler.connection.sendall(self._head(handler.headers["Sec-WebSocket-Key"]) + b"".join(ports))
        for path in wire.questions():
            self.paths.append(path)
            self._respond(wire, path)
        self.over.set()

    def _head(self, key: str) -> bytes:
        token = generate_accept_token(key.encode()) if self._accept else b"nonsense"
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Accept: " + token + b"\r\n\r\n"
        )


def http(body: bytes, *, status: int = 200, headers: str = "") -> bytes:
    """An answer of the server in the pod."""
    return f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body
