"""Files from the internet, or from a mirror of it: fetched whole, with a reason where they aren't available."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from canarylab.errors import MachineError, StageError, UsageError

if TYPE_CHECKING:
    from requests import Response, Session

    from canarylab.cancel import Cancel
    from canarylab.contract.context import Context

MIRROR = "CANARYLAB_MIRROR"
"""The environment variable that names a mirror: below it, `https://HOST/PATH` lies at `HOST/PATH`."""

TRIES = 3
_PAUSE = 0.5
"""Seconds before the third try, doubled before each one after it; the second follows at once."""

_CONNECT_SECONDS, _SILENCE_SECONDS = 10.0, 30.0
_CHUNK = 1 << 16
_BUSY = (429, 500, 502, 503, 504)
_NOT_FOUND = 404
_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")


class NotPublishedError(StageError):
    """The server answered that it has no such file."""


def fetch(ctx: Context, url: str, *, cache: Path) -> bytes:
    """The whole content of `url`, by way of the mirror and the proxies that the environment names.

    `cache` is where the caller keeps it, for the error to say. Raises NotPublishedError where there is no such file,
    MachineError for a SOCKS proxy that can't be used yet, StageError with the URL and the reason for everything else,
    and CancelledError when the run is interrupted.
    """
    import requests
    from urllib3.exceptions import HTTPError

    _require_proxy(url)
    try:
        with _session(ctx.cancel) as session:
            timeout = (min(_CONNECT_SECONDS, ctx.remaining), min(_SILENCE_SECONDS, ctx.remaining))
            with session.get(mirrored(url), timeout=timeout, stream=True) as response:
                _require_found(response, url)
                return _content(ctx, response)
    except (requests.RequestException, HTTPError) as error:  # requests lets some of urllib3's own through
        raise StageError(
            "a file can't be fetched",
            where=fetched_from(url),
            why=_reason(error),
            remedy=f"check the network and HTTPS_PROXY, then `{ctx.command('up')}` goes on from here; what was fetched "
            f"once is kept in {cache} and needs no network; for a closed network see docs/closed-networks.md",
        ) from error


def _require_proxy(url: str) -> None:
    """Raise MachineError where the environment names a SOCKS proxy that requests can't use.

    Source: requests 2.34, adapters.py, and urllib3 2.8, contrib/socks.py: these schemes, and only with PySocks.
    """
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(mirrored(url), get_environ_proxies(mirrored(url))) or ""
    scheme = proxy.partition("://")[0].lower()
    if not scheme.startswith("socks"):
        return
    if scheme not in _SOCKS:
        remedy = "write it as socks5h://HOST:PORT, or add the host to NO_PROXY"
        raise MachineError(f"the proxy in the environment has an unsupported scheme, {scheme}://", remedy=remedy)
    if importlib.util.find_spec("socks") is None:
        raise MachineError(
            "downloading through a SOCKS proxy needs the Python package PySocks",
            where=fetched_from(url),
            why=f"the environment sets a proxy with {scheme}://",
            remedy=f"{sys.executable} -m pip install PySocks; if only the cluster is behind that proxy, set it as "
            "proxy-url in the kubeconfig instead of in the environment",
        )


def mirrored(url: str) -> str:
    """Where `url` is fetched from. Raises UsageError for a mirror that can't be one."""
    base = os.environ.get(MIRROR, "").strip().rstrip("/")
    if not base:
        return url
    if not base.startswith(("http://", "https://")):
        raise UsageError(
            "the mirror's address isn't a URL",
            where=f"environment variable {MIRROR}",
            remedy="write it as http://mirror.example/files or https://..., or unset it",
        )
    return f"{base}/{url.split('://', 1)[-1]}"


def fetched_from(url: str) -> str:
    """Where `url` is fetched from, less the name and password that a mirror's URL may hold."""
    parts = urlsplit(mirrored(url))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[-1]))


def keep(path: Path, content: bytes) -> None:
    """Write a file in one step: a reader, or a run that is killed, never leaves or sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as scratch:
        temporary = Path(scratch) / path.name
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def _session(cancel: Cancel) -> Session:
    """One that tries again what may pass: no connection, no answer, a server that is busy; `cancel` ends its pauses."""
    from requests import Session
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    class Interruptible(Retry):
        def sleep(self, _response: object = None) -> None:
            cancel.sleep(self.get_backoff_time())

    retry = Interruptible(  # whatever a server asks for: that may be an hour
        TRIES - 1,
        backoff_factor=_PAUSE,
        status_forcelist=_BUSY,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    session = Session()
    # As it lies there: a chart that a server unpacks on the way isn't what its digest is of.
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _require_found(response: Response, url: str) -> None:
    if response.status_code == _NOT_FOUND:
        raise NotPublishedError(
            "there is no such file",
            where=fetched_from(url),
            why="the server answered 404 Not Found",
            remedy=f"put it on the mirror that {MIRROR} names" if os.environ.get(MIRROR) else "check its address",
        )
    response.raise_for_status()


def _content(ctx: Context, response: Response) -> bytes:
    from requests import Timeout

    content = bytearray()
    for chunk in response.iter_content(_CHUNK):
        ctx.cancel.check()
        if time.monotonic() > ctx.deadline:
            raise Timeout(f"only {len(content)} bytes came in the time that the stage has")
        content += chunk
    return bytes(content)


def _reason(error: Exception) -> str:
    """In one line, from the bottom: requests wraps what it says of a lost connection several times."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    bottom: BaseException = error
    while below := bottom.__cause__ or (None if bottom.__suppress_context__ else bottom.__context__):
        bottom = below
    said = "no answer in time" if isinstance(bottom, TimeoutError) else str(bottom) or type(bottom).__name__
    return f"the proxy: {said}" if isinstance(error, requests.exceptions.ProxyError) else said
