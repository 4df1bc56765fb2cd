"""Proxies on the loopback, which lead every name to one port of this machine: SOCKS 5 (RFC 1928, 1929), and HTTP."""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import suppress
from typing import Self

_NAME, _PASSWORD = 3, 2


class _Proxy:
    """Serves until its `with` block ends. `asked` has the names or addresses and ports, `logins` the users."""

    def __init__(self, leads_to: int) -> None:
        self.asked: list[tuple[str, int]] = []
        self.logins: list[str] = []
        self._leads_to = leads_to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._lead, args=(client,), daemon=True).start()

    def _lead(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            self._greet(client)
            with socket.create_connection(("127.0.0.1", self._leads_to)) as target:
                back = threading.Thread(target=_pour, args=(target, client), daemon=True)
                back.start()
                _pour(client, target)
                back.join()

    def _greet(self, client: socket.socket) -> None:
        """What both say before the bytes of the connection itself."""
        raise NotImplementedError


class SocksProxy(_Proxy):
    """Of version 5."""

    def _greet(self, client: socket.socket) -> None:
        _, count = _exactly(client, 2)
        if _PASSWORD in _exactly(client, count):
            client.sendall(b"\x05\x02")
            name = _exactly(client, _exactly(client, 2)[1]).decode()
            word = _exactly(client, _exactly(client, 1)[0]).decode()
            self.logins.append(f"{name}:{word}")
            client.sendall(b"\x01\x00")
        else:
            client.sendall(b"\x05\x00")
        kind = _exactly(client, 4)[3]
        host = _exactly(client, _exactly(client, 1)[0] if kind == _NAME else 4)
        named = host.decode() if kind == _NAME else socket.inet_ntoa(host)
        self.asked.append((named, int.from_bytes(_exactly(client, 2), "big")))
        client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")


class HttpProxy(_Proxy):
    """Takes CONNECT, as for HTTPS."""

    def _greet(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += _exactly(client, 1)
        first, *headers = head.decode().splitlines()
        host, _, port = first.split()[1].rpartition(":")
        self.asked.append((host, int(port)))
        given = [line.rpartition(" ")[2] for line in headers if line.lower().startswith("proxy-authorization: basic ")]
        self.logins += [base64.b64decode(each).decode() for each in given]
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        if not (more := source.recv(count - len(found))):
            raise OSError
        found += more
    return found


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
