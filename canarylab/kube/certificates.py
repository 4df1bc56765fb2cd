"""The certificates of a connection to the API server: which it has to show, and which it is shown."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2 as httpx

from canarylab.errors import MachineError


def tls_context(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    """What the cluster's and the user's entries say of TLS. Raises OSError or ValueError for what is no certificate.

    As Go takes them (crypto/x509): whatever certificate is named as an authority is trusted, also one that is no
    authority, and one that lacks what newer rules want, for which Python refuses it from 3.13 on.
    """
    authority = given(cluster, "certificate-authority")
    if authority is None:
        context = httpx.create_ssl_context(verify=not cluster.get("insecure-skip-tls-verify"))
    else:
        context = ssl.create_default_context(cadata=authority.decode("ascii", "ignore"))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    certificate, key = given(user, "client-certificate"), given(user, "client-key")
    if certificate and key:
        show(context, certificate, key)
    return context


def given(content: Mapping[str, Any], name: str) -> bytes | None:
    """What the field `NAME-data` holds, or the file that NAME names; None where there is neither."""
    if data := content.get(f"{name}-data"):
        return base64.b64decode(data)
    return Path(content[name]).read_bytes() if content.get(name) else None


def show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Put a client certificate into `context`. OpenSSL takes files only: they are private, and gone at once."""
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "certificate"), Path(folder, "key")
        for path, content in zip(files, (certificate, key), strict=True):
            path.touch(mode=0o600)
            path.write_bytes(content)
        context.load_cert_chain(*files, password=_refused)


def _refused() -> str:
    """Called for a key that a password guards: OpenSSL would ask for it on the terminal."""
    raise MachineError(
        "the context's client key is encrypted with a password",
        why="kubectl and Helm can't use such a key either",
        remedy="decrypt it with `openssl pkey -in OLD -out NEW`, and set client-key to the new file",
    )
