"""A SOCKS proxy of version 5 on the loopback, which leads every name to one port of this machine (RFC 1928, 1929)."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

_NAME, _PASSWORD = 3, 2


class SocksProxy:
    """Serves until its `with` block ends. `asked` has the names or addresses and ports, `logins` the users."""

    def __init__(self, leads_to: int) -> None:
        self.asked: list[tuple[str, int]] = []
        self.logins: list[str] = []
        self._leads_to = leads_to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def __enter__(self) -> SocksProxy:
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
            with socket.create_connection(("127.0.0.1", self._leads_to)) as target:
                back = threading.Thread(target=_pour, args=(target, client), daemon=True)
                back.start()
                _pour(client, target)
                back.join()


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
