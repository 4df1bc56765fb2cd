"""Certificates for servers on the loopback, made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def certificate(folder: Path, *names: str, stem: str = "server") -> tuple[Path, Path]:
    """A certificate that vouches for itself, for names such as DNS:api.internal.example.com; and its key."""
    certificate, key = folder / f"{stem}.pem", folder / f"{stem}-key.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={stem}"]
    where = ["-addext", f"subjectAltName={','.join(names)}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *kind, *where], check=True, capture_output=True, timeout=60)
    return certificate, key


def serving(certificate: Path, key: Path, *, clients: Path | None = None) -> ssl.SSLContext:
    """What a server with that certificate needs; it takes clients with a certificate of `clients` only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
