"""Asks a port of a pod by HTTP through the API server, over what `kubectl port-forward` opens.

The port may listen on the pod's own loopback only, as Envoy's admin interface does. The API server takes a WebSocket
with the subprotocol `v4.channel.k8s.io`: the first byte of a message names its channel, an even one carries the
port's bytes, an odd one what went wrong, and the first message of each channel is the port's number.
Source: k8s.io/cri-streaming, pkg/streaming/portforward/websocket.go.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h11
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import generate_accept_token, generate_nonce

from canarylab.errors import StageError
from canarylab.kube.client import ApiError

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = b"\x00", b"\x01"
_CHUNK = 1 << 16
_SILENCE_SECONDS = 10.0
_NOT_IT = "see that the port is the right one: `kubectl get pod -o yaml` names those of the pod's containers"
_OK = 200


class PodPort:
    """One HTTP connection to a port of a pod, opened when first asked and again after it broke. Not for two threads.

    `silence`: seconds after which a pod that sends nothing is given up.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, pod: str, port: int, *, silence: float = _SILENCE_SECONDS
    ) -> None:
        self._cluster = cluster
        self._path = cluster.resource("v1", "Pod").path(namespace, pod, "portforward")
        self._port = port
        self._where = f"Pod {namespace}/{pod}, port {port}"
        self._silence = silence
        self._channel: _Channel | None = None
        self._http = h11.Connection(h11.CLIENT)

    def __enter__(self) -> PodPort:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str) -> bytes:
        """The body of the answer. Raises ApiError without one, StageError where it isn't 200."""
        if self._channel is None:
            return self._ask(path)
        try:
            return self._ask(path)
        except ApiError:  # it was kept open since the last question, and may have been cut meanwhile
            return self._ask(path)

    def json(self, path: str) -> Any:
        """The same, read as JSON. Raises StageError where it isn't."""
        try:
            return json.loads(self.get(path))
        except ValueError as error:
            what = f"the answer to {path} isn't JSON: {error}"
            raise StageError(what, where=self._where, remedy=_NOT_IT) from error

    def close(self) -> None:
        """End the connection; `get` opens it again."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _ask(self, path: str) -> bytes:
        if self._channel is None:
            self._channel = _Channel(self._cluster, self._path, self._port, self._where, self._silence)
            self._http = h11.Connection(h11.CLIENT)
        try:
            return self._exchange(self._channel, path)
        except h11.RemoteProtocolError as error:
            self.close()
            _, has_ended = self._http.trailing_data
            what = "it hung up before the end of its answer" if has_ended else f"that is no HTTP answer: {error}"
            raise ApiError(what, None, where=self._where) from error
        except BaseException:
            self.close()
            raise

    def _exchange(self, channel: _Channel, path: str) -> bytes:
        request = h11.Request(method="GET", target=path, headers=[("Host", "localhost")])
        channel.send((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        status, body = 0, b""
        while not isinstance(event := self._event(channel), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
        if self._http.our_state is h11.MUST_CLOSE:
            self.close()
        else:
            self._http.start_next_cycle()
        if status != _OK:
            said = body[:200].decode(errors="replace")
            raise StageError(f"{path} returned status {status}", where=self._where, why=said, remedy=_NOT_IT)
        return body

    def _event(self, channel: _Channel) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(channel.receive())
        return event


class _Channel:
    """The bytes of the port, to and fro. Raises ApiError for whatever cuts it."""

    def __init__(self, cluster: Cluster, path: str, port: int, where: str, silence: float) -> None:
        self._where = where
        self._silence = silence
        self._frames = Connection(ConnectionType.CLIENT)
        self._preambles = {_DATA, _ERROR}
        self._message = b""
        nonce = generate_nonce()
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": nonce.decode(),
            "Sec-WebSocket-Protocol": _PROTOCOL,
        }
        self._upgraded = cluster.upgrade(path, {"ports": str(port)}, headers)
        if self._upgraded.headers.get("sec-websocket-accept", "").encode() != generate_accept_token(nonce):
            self.close()
            raise ApiError("the server refused the WebSocket upgrade", None, where=where)

    def send(self, data: bytes) -> None:
        self._upgraded.write(self._frames.send(BytesMessage(data=_DATA + data)), self._silence)

    def receive(self) -> bytes:
        """The next bytes of the port, at least one; b"" once the pod has closed it."""
        while True:
            for event in self._frames.events():
                if isinstance(event, CloseConnection):
                    return self._end(event)
                if data := self._took(event):
                    return data
            self._frames.receive_data(self._upgraded.read(_CHUNK, self._silence) or None)

    def _end(self, closing: CloseConnection) -> bytes:
        if closing.code == CloseReason.NORMAL_CLOSURE:
            return b""
        why = closing.reason or f"code {closing.code}"  # 1006: cut without a closing frame
        raise ApiError(f"the connection was cut ({why})", None, where=self._where)

    def _took(self, event: object) -> bytes:
        match event:
            case BytesMessage():  # a large one comes in pieces
                self._message += event.data
                if event.message_finished:
                    message, self._message = self._message, b""
                    return self._data(message)
            case Ping():
                self._upgraded.write(self._frames.send(event.response()), self._silence)
        return b""

    def _data(self, message: bytes) -> bytes:
        channel, data = message[:1], message[1:]
        if channel in self._preambles:
            self._preambles.remove(channel)
            return b""
        if channel == _ERROR:
            raise ApiError(data.decode(errors="replace").strip(), None, where=self._where)
        return data

    def close(self) -> None:
        self._upgraded.close()
