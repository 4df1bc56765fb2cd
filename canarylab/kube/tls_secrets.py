"""Whether a Secret has a server's certificate, as istiod reads it, and whether clients will take that.

Sources: istio/istio, pilot/pkg/credentials/kube/secrets.go (ExtractCertInfo) for the keys; OpenSSL for the rest.
"""

from __future__ import annotations

import base64
import ssl

from canarylab.errors import MachineError
from canarylab.kube.certificates import show
from canarylab.kube.objects import Object, dig

_PAIRS = (("cert", "key"), ("tls.crt", "tls.key"))
"""The keys of certificate and private key; the first pair that has values counts."""


def fault_of(secret: Object) -> str | None:
    """Why no server can use it, None where one can. Pure."""
    if (pair := _pair(secret)) is None:
        given = [key for place in ("data", "stringData") for key in dig(secret, place) or {}]
        has = f"it has {', '.join(sorted(given))}" if given else "it is empty"
        return f"it lacks tls.crt and tls.key, or cert and key, with values ({has})"
    try:
        show(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), *pair)
    except MachineError:
        return "its private key is encrypted with a password"
    except ssl.SSLError as error:
        return _in_words(error)
    return None


def _in_words(error: ssl.SSLError) -> str:
    if "MISMATCH" in (error.reason or ""):
        return "its private key isn't that of its certificate"
    if error.library in ("PEM", "ASN1") or "PEM" in (error.reason or str(error)):
        return "its certificate or key isn't PEM"
    return f"OpenSSL doesn't take its certificate or key: {(error.reason or str(error)).lower().replace('_', ' ')}"


def unfit_for(secret: Object, host: str) -> str | None:
    """Why clients that verify certificates won't take it for the host, whoever issued it; None where they may. Pure.

    A client and a server in memory find it out, as those on a network would.
    """
    if (pair := _pair(secret)) is None or fault_of(secret):
        return None
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        show(server, *pair)
        client.load_verify_locations(cadata=_first(pair[0]))
        _shake_hands(client, server, host)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except (ssl.SSLError, UnicodeError):  # also for what is no host name
        return None
    return None


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in [*ends]:
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                continue


def _first(chain: bytes) -> str:
    """The server's own certificate: those behind it are of its authorities."""
    end = "-----END CERTIFICATE-----"
    return chain.decode("ascii", "ignore").partition(end)[0] + end + "\n"


def _pair(secret: Object) -> tuple[bytes, bytes] | None:
    for pair in _PAIRS:
        certificate, key = (_value(secret, name) for name in pair)
        if certificate and key:
            return certificate, key
    return None


def _value(secret: Object, key: str) -> bytes:
    """Of one that was applied or, as in a manifest, is to be."""
    if (text := dig(secret, "stringData", key)) is not None:
        return str(text).encode()
    try:
        return base64.b64decode(str(dig(secret, "data", key) or ""), validate=False)
    except ValueError:  # no base64
        return b""
