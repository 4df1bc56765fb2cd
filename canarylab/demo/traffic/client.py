"""One request to the gateway, plain or over TLS, and the answer or the kind of failure.

The TLS certificate is not verified: each pod makes its own, self-signed, when it starts, so there is no chain and
nothing to compare it with. The measurement asks who answered, not whether to trust them; and requests are sent only
to an address whose route leads into the cluster's own network (`Access.check_route`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import h11

PATH = "/color"
REQUEST_TIMEOUT = 5.0
"""Seconds that an answer is waited for."""
_CHUNK = 1 << 16
_OK = 200
_STATUS, _BY_GATEWAY = "status ", " from the gateway"


@dataclass(frozen=True)
class Target:
    """A host to ask, by Host header or by SNI, where the gateway listens for it, and what to ask."""

    address: str
    port: int
    host: str
    tls: bool = False
    path: str = PATH
    headers: tuple[tuple[str, str], ...] = ()
    by_connection: bool = False
    """Whether who answers is decided once for each connection, as kube-proxy does it, and not for each request."""
    gateway_port: int = 0
    """The port of the gateway's Service, as routes know it, where it answers at another: a NodePort, say."""
    gateway: tuple[str, str] = ("", "")
    """Namespace and name of that Service; "" where they aren't known."""

    def __str__(self) -> str:
        with_headers = "".join(f", {name}: {value}" for name, value in self.headers)
        return f"{'tls' if self.tls else 'http'} {self.host}{with_headers}"


@dataclass(frozen=True)
class Answer:
    """What became of a request: an answer, of the application or of the gateway itself, or none: then `status` is 0."""

    status: int = 0
    color: str = ""
    pod: str = ""
    revision: str = ""
    failure: str = ""
    """The kind of failure, short and countable; "" for a good answer."""
    words: str = ""
    """The failure, with what the system said of it."""


REFUSED, RESET, CLOSED, TIMEOUT, UNREACHABLE = "refused", "reset", "closed", "timeout", "unreachable"
HANDSHAKE, UNREADABLE, NO_LOCAL_PORT = "TLS handshake", "unreadable answer", "no local port"

_BY_TYPE = {ConnectionRefusedError: REFUSED, ConnectionError: RESET, TimeoutError: TIMEOUT, ssl.SSLError: HANDSHAKE}
_BY_ERRNO = {
    errno.ENETUNREACH: UNREACHABLE,
    errno.EHOSTUNREACH: UNREACHABLE,
    errno.EADDRNOTAVAIL: NO_LOCAL_PORT,
    errno.EMFILE: "too many open files",
}


class Connection:
    """A connection to the gateway that can carry one request after the other: opened when needed, also anew."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._http = h11.Connection(h11.CLIENT)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, *, last: bool, timeout: float) -> Answer:
        """GET the target's path, in so many seconds with connecting. `last` asks the server to close afterwards."""
        try:
            async with asyncio.timeout(timeout) as limit:
                return await self._exchange(last=last)
        except h11.RemoteProtocolError as error:
            _, has_ended = self._http.trailing_data
            failed = _failed(CLOSED if has_ended else UNREADABLE, error)
        except OSError as error:
            if limit.expired():
                failed = Answer(failure=TIMEOUT, words=f"no answer in {timeout:g} s")
            else:
                failed = _failed(_kind(error, connecting_by_tls=self._target.tls and not self._streams), error)
        self.close()
        return failed

    async def _exchange(self, *, last: bool) -> Answer:
        reader, writer = self._streams = self._streams or await self._open()
        headers = [("Host", self._target.host), ("Connection", "close" if last else "keep-alive")]
        request = h11.Request(method="GET", target=self._target.path, headers=[*headers, *self._target.headers])
        writer.write((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        response = await self._response(reader)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.close()
        return _answer(response)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, and shake hands if it is TLS.

        asyncio sets TCP_NODELAY on every connection, so no request waits for the acknowledgement of another.
        """
        self._http = h11.Connection(h11.CLIENT)
        target = self._target
        context, name = (tls_context(), target.host) if target.tls else (None, None)
        return await asyncio.open_connection(target.address, target.port, ssl=context, server_hostname=name)

    async def _response(self, reader: asyncio.StreamReader) -> h11.Response:
        """The head of the answer, once its body is read to the end, too."""
        response = None
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await reader.read(_CHUNK))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.EndOfMessage) and response is not None:
                return response

    def close(self) -> None:
        """Let go at once: nothing is left to be sent, and nobody waits for TLS to say goodbye."""
        if self._streams:
            self._streams[1].transport.abort()
            self._streams = None


async def ask_once(target: Target, timeout: float) -> Answer:
    """One request on a connection of its own."""
    with contextlib.closing(Connection(target)) as connection:
        return await connection.ask(last=True, timeout=timeout)


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The one context of all connections.

    It is what makes TLS fast: `ssl.create_default_context()` for each connection reads the machine's certificate
    authorities each time, 20 ms, and so manages 44 connections a second where this manages 1,100 (2 cores, loopback,
    server included). Sessions are not resumed: that gained 2 to 10 %, and asyncio has no way to ask for it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _answer(response: h11.Response) -> Answer:
    """What the head of an answer says of who gave it; its names are in lower case, as h11 has them."""
    headers = {name.decode(): value.decode("latin-1").strip() for name, value in response.headers}
    # Envoy notes how long the pod took; without that note it answered by itself.
    by_gateway = headers.get("server") == "istio-envoy" and "x-envoy-upstream-service-time" not in headers
    good = response.status_code == _OK
    failure = "" if good else f"{_STATUS}{response.status_code}{_BY_GATEWAY if by_gateway else ''}"
    color, pod, revision = (headers.get(f"x-rollouts-demo-{name}", "") for name in ("color", "pod", "revision"))
    return Answer(response.status_code, color, pod, revision, failure, words=failure)


def is_of_pod(kind: str) -> bool:
    """Whether a failure of this kind is what something behind the gateway answered."""
    return kind.startswith(_STATUS) and not kind.endswith(_BY_GATEWAY)


def _failed(kind: str, error: Exception) -> Answer:
    return Answer(failure=kind, words=f"{kind}: {error}" if str(error) else kind)


def _kind(error: OSError, *, connecting_by_tls: bool) -> str:
    """A connection error in one countable phrase. While TLS connects, a reset is the other side's answer to the SNI."""
    kind = next((kind for family, kind in _BY_TYPE.items() if isinstance(error, family)), None)
    if kind == RESET and connecting_by_tls:
        return HANDSHAKE
    return kind or _BY_ERRNO.get(error.errno or 0) or errno.errorcode.get(error.errno or 0, type(error).__name__)


_CAUSES = {
    REFUSED: "nothing listens at {address}:{port}: the gateway has no ready pod, or its Service doesn't have that port",
    UNREACHABLE: "this machine has no way to {address}: `invoke tunnel status` looks at it",
    TIMEOUT: "no answer from {address}:{port}: the way there (`invoke tunnel status` looks at it) loses it, or no "
    "ready pod stands behind the gateway",
    HANDSHAKE: "the gateway ended the TLS handshake: most likely no server of a Gateway on port {gateway_port} takes "
    "the SNI host {host} (in mode PASSTHROUGH it must be among the sniHosts of a VirtualService that names the "
    "Gateway), or it asks for a client certificate (mode MUTUAL), or it has no certificate of its own",
    CLOSED: "the gateway took the request and closed the connection: most likely the pod behind it went away or "
    "answered no HTTP",
    RESET: "the connection was cut: most likely the gateway or the pod behind it went away",
    NO_LOCAL_PORT: "this machine has run out of local ports for {address}:{port}: wait a minute and try again",
    "status 404 from the gateway": "most likely there is no HTTP route for {host}: it isn't among the hosts of a "
    "VirtualService that names the Gateway, none of its routes is for such a request, or the Gateway has no HTTP "
    "server on port {gateway_port}",
    **dict.fromkeys(
        (f"status {code} from the gateway" for code in (301, 302, 307, 308)),
        "the gateway answers with a redirect: a route's `redirect`, or httpsRedirect of a Gateway's server on port "
        "{gateway_port}; to ask over HTTPS, list {host} under `tls`",
    ),
    "status 503 from the gateway": "most likely the gateway has a route for {host}, and reached no pod by it",
    "status 500": "what answers behind the gateway has errors: the application's image may be one of the bad-* "
    "variants",
}


Why = Callable[[str, Target], str]
"""Says why requests to a target fail in some way; "" where nothing is known of it."""


def likely_cause(kind: str, target: Target) -> str:
    """Why requests to a target fail in this way; "" where nothing is known of that kind."""
    gateway_port = target.gateway_port or target.port
    known = _CAUSES.get(kind, "")
    return known.format(address=target.address, port=target.port, gateway_port=gateway_port, host=target.host)
